//! One question to one server: UDP from a fresh random port, TCP when the answer was cut off.

use super::wire::{self, Told};
use crate::facts::DnsType;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

/// Strangers' packets tolerated on our port before the try counts as failed.
const FOREIGN_PACKETS: u32 = 32;

/// `Told::Failed` where the server did not answer in time.
pub async fn ask(server: SocketAddr, name: &str, kind: DnsType, wait: Duration) -> Told {
    let Some((id, packet)) = wire::question(name, kind) else { return Told::Failed };
    let until = Instant::now() + wait;
    let told = match timeout_at(until, over_udp(server, &packet, |answer| wire::answer(answer, id, name, kind))).await {
        Ok(Ok(told)) => told,
        Ok(Err(_)) | Err(_) => return Told::Failed,
    };
    if !matches!(told, Told::Truncated) {
        return told;
    }
    // RFC 7766 §5: a truncated answer is asked for again over TCP, with a time of its own.
    match timeout_at(Instant::now() + wait, over_tcp(server, &packet)).await {
        Ok(Ok(answer)) => match wire::answer(&answer, id, name, kind) {
            Told::Truncated | Told::Foreign => Told::Failed,
            told @ (Told::Answer(_) | Told::Alias(_) | Told::Failed) => told,
        },
        Ok(Err(_)) | Err(_) => Told::Failed,
    }
}

async fn over_udp(server: SocketAddr, packet: &[u8], read: impl Fn(&[u8]) -> Told) -> io::Result<Told> {
    let local: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(local).await?;
    // Connected: the kernel drops packets of other senders and reports a closed port at once.
    socket.connect(server).await?;
    socket.send(packet).await?;
    let mut buffer = vec![0; 4096];
    for _ in 0..FOREIGN_PACKETS {
        let length = socket.recv(&mut buffer).await?;
        match read(buffer.get(..length).unwrap_or_default()) {
            Told::Foreign => {}
            told @ (Told::Answer(_) | Told::Truncated | Told::Alias(_) | Told::Failed) => return Ok(told),
        }
    }
    Ok(Told::Failed)
}

async fn over_tcp(server: SocketAddr, packet: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let length = u16::try_from(packet.len()).map_err(io::Error::other)?;
    let framed = [&length.to_be_bytes(), packet].concat();
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
