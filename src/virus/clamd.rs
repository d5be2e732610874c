//! One connection to clamd: a session of INSTREAM commands, each answered before the next is sent.

use super::Server;
use crate::facts::Virus;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Octets of one chunk; clamd reads them as they come.
const CHUNK: usize = 64 << 10;
/// A longer reply is none of clamd's.
const REPLY: u64 = 4096;
const CONNECT: Duration = Duration::from_secs(3);

trait Stream: Read + Write {
    fn limit(&self, left: Duration) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn limit(&self, left: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(left))?;
        self.set_write_timeout(Some(left))
    }
}

impl Stream for UnixStream {
    fn limit(&self, left: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(left))?;
        self.set_write_timeout(Some(left))
    }
}

pub(super) struct Session {
    stream: Box<dyn Stream>,
    deadline: Instant,
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

impl Session {
    pub(super) fn open(server: &Server, deadline: Instant) -> io::Result<Session> {
        let stream: Box<dyn Stream> = match server {
            Server::Unix(path) => Box::new(UnixStream::connect(path)?),
            Server::Tcp(..) => Box::new(connect(server, deadline)?),
        };
        let mut session = Session { stream, deadline };
        // Commands with a z before them end in NUL, and so do their replies.
        session.send(b"zIDSESSION\0")?;
        Ok(session)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.limit(left(self.deadline)?)?;
        self.stream.write_all(bytes)
    }

    /// One file: its chunks, each with its length before it, a length of zero at the end.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> io::Result<Virus> {
        let sent = self.send_all(bytes);
        // A daemon that has read enough says so and closes: its reply tells more than the broken pipe.
        match self.reply() {
            Ok(reply) => verdict(&reply),
            Err(error) => Err(sent.err().unwrap_or(error)),
        }
    }

    fn send_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send(b"zINSTREAM\0")?;
        for chunk in bytes.chunks(CHUNK) {
            let len = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            self.send(&len.to_be_bytes())?;
            self.send(chunk)?;
        }
        self.send(&[0; 4])
    }

    fn reply(&mut self) -> io::Result<Vec<u8>> {
        let mut reply = Vec::new();
        let mut octet = [0];
        while reply.len() as u64 <= REPLY {
            self.stream.limit(left(self.deadline)?)?;
            match self.stream.read(&mut octet)? {
                0 if reply.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
                0 => return Ok(reply),
                _ if octet == [0] => return Ok(reply),
                _ => reply.extend_from_slice(&octet),
            }
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "a reply without end"))
    }
}

fn connect(server: &Server, deadline: Instant) -> io::Result<TcpStream> {
    let mut error = io::Error::from(io::ErrorKind::NotFound);
    for address in server.addresses()? {
        match TcpStream::connect_timeout(&address, left(deadline)?.min(CONNECT)) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(failed) => error = failed,
        }
    }
    Err(error)
}

/// `1: stream: OK`, `1: stream: NAME FOUND`, `… ERROR`.
fn verdict(reply: &[u8]) -> io::Result<Virus> {
    let text: String = String::from_utf8_lossy(reply).chars().filter(|c| !c.is_control()).take(300).collect();
    let text = text.trim();
    if let Some(found) = text.strip_suffix(" FOUND") {
        let name = found.rsplit(": ").next().unwrap_or(found);
        return Ok(Virus::Found(name.to_owned()));
    }
    if text.ends_with(": OK") {
        return Ok(Virus::Clean);
    }
    if text.contains("size limit exceeded") {
        return Ok(Virus::Unseen("larger than clamd takes (StreamMaxLength)".to_owned()));
    }
    Err(io::Error::other(format!("clamd: {text}")))
}
