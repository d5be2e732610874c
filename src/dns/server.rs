//! A DNS server on loopback that answers from a zone: real packets over UDP and TCP, for `--zone FILE` and for tests.

use super::zone::{Entry, Zone};
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::{Name, RData, Record};
use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

const TTL: u32 = 60;
const ALIASES: usize = 8;
const LARGEST_UDP: usize = 1232;

/// Serves until dropped.
#[derive(Debug)]
pub struct ZoneServer {
    pub address: SocketAddr,
    asked: Arc<AtomicU64>,
    tasks: [JoinHandle<()>; 2],
}

struct Served {
    zone: Zone,
    below: HashSet<String>,
}

impl Drop for ZoneServer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl ZoneServer {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start(zone: Zone) -> io::Result<ZoneServer> {
        ZoneServer::over(zone, bind().await?, Duration::ZERO)
    }

    /// Each answer over UDP so much later, as from far away.
    pub async fn start_far(zone: Zone, delay: Duration) -> io::Result<ZoneServer> {
        ZoneServer::over(zone, bind().await?, delay)
    }

    /// At this very place, where a client cannot be told of another.
    pub async fn start_at(zone: Zone, address: SocketAddr) -> io::Result<ZoneServer> {
        ZoneServer::over(zone, (UdpSocket::bind(address).await?, TcpListener::bind(address).await?), Duration::ZERO)
    }

    /// Questions that came over UDP so far.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    fn over(zone: Zone, (udp, tcp): (UdpSocket, TcpListener), delay: Duration) -> io::Result<ZoneServer> {
        let below = zone.with_names_below().into_iter().map(str::to_owned).collect();
        let zone = Arc::new(Served { zone, below });
        let address = udp.local_addr()?;
        let asked = Arc::<AtomicU64>::default();
        let over_udp = serve_udp(udp, Arc::clone(&zone), Arc::clone(&asked), delay);
        let tasks = [tokio::spawn(over_udp), tokio::spawn(serve_tcp(tcp, zone))];
        Ok(ZoneServer { address, asked, tasks })
    }
}

/// The same free port for both; one that is free for UDP may be taken for TCP.
async fn bind() -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = None;
    for _ in 0..50 {
        let udp = UdpSocket::bind("127.0.0.1:0").await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("no free port")))
}

async fn serve_udp(socket: UdpSocket, zone: Arc<Served>, asked: Arc<AtomicU64>, delay: Duration) {
    let socket = Arc::new(socket);
    let mut buffer = vec![0; 4096];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        asked.fetch_add(1, Ordering::Relaxed);
        let Some(message) = buffer.get(..length).and_then(|packet| answer(packet, &zone)) else { continue };
        let Ok(mut packet) = message.to_vec() else { continue };
        if packet.len() > LARGEST_UDP {
            let Ok(cut) = message.truncate().to_vec() else { continue };
            packet = cut;
        }
        if delay.is_zero() {
            let _ = socket.send_to(&packet, peer).await;
        } else {
            let socket = Arc::clone(&socket);
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                let _ = socket.send_to(&packet, peer).await;
            });
        }
    }
}

async fn serve_tcp(listener: TcpListener, zone: Arc<Served>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let zone = Arc::clone(&zone);
        tokio::spawn(async move {
            let _ = converse(stream, &zone).await;
        });
    }
}

async fn converse(mut stream: TcpStream, served: &Served) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut packet = vec![0; usize::from(length)];
        stream.read_exact(&mut packet).await?;
        let Some(message) = answer(&packet, served) else { return Ok(()) };
        let packet = message.to_vec().map_err(io::Error::other)?;
        let length = u16::try_from(packet.len()).map_err(io::Error::other)?;
        stream.write_all(&length.to_be_bytes()).await?;
        stream.write_all(&packet).await?;
    }
}

/// `None`: stay silent.
fn answer(packet: &[u8], served: &Served) -> Option<Message> {
    let request = Message::from_vec(packet).ok()?;
    let query = request.queries.first()?.clone();
    let mut reply = Message::response(request.metadata.id, OpCode::Query);
    reply.metadata.message_type = MessageType::Response;
    reply.metadata.recursion_desired = request.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.metadata.authoritative = true;
    reply.add_query(query.clone());
    let mut owner = query.name().clone();
    for hop in 0..ALIASES {
        let name = shown(&owner);
        let Some(entries) = served.zone.entries(&name) else {
            if hop == 0 && !served.below.contains(&name) {
                reply.metadata.response_code = ResponseCode::NXDomain;
            }
            return Some(reply);
        };
        let mut next = None;
        let mut found = false;
        for entry in entries {
            match entry {
                Entry::Timeout(Some(kind)) if *kind == query.query_type() => return None,
                Entry::Timeout(None) if !found => return None,
                Entry::Timeout(_) => {}
                Entry::ServFail => {
                    reply.metadata.response_code = ResponseCode::ServFail;
                    return Some(reply);
                }
                Entry::NxDomain => {
                    reply.metadata.response_code = ResponseCode::NXDomain;
                    return Some(reply);
                }
                Entry::Record(data) if data.record_type() == query.query_type() => {
                    found = true;
                    reply.add_answer(Record::from_rdata(owner.clone(), TTL, data.clone()));
                }
                Entry::Record(RData::CNAME(target)) => {
                    reply.add_answer(Record::from_rdata(owner.clone(), TTL, RData::CNAME(target.clone())));
                    next = Some(target.0.clone());
                }
                Entry::Record(_) => {}
            }
        }
        match next {
            Some(target) => owner = target,
            None => return Some(reply),
        }
    }
    Some(reply)
}

/// Octets as Latin-1, so that a zone can hold any name.
fn shown(name: &Name) -> String {
    let labels: Vec<String> = name.iter().map(|label| label.iter().map(|b| char::from(b.to_ascii_lowercase())).collect()).collect();
    labels.join(".")
}
