//! Packets on the wire: split from a stream without trust, read into commands, packed for one write.

use indymilter::message::Message;
use indymilter::message::command::{Command, CommandKind, ConnInfoPayload, MacroPayload};
use indymilter::{MacroStage, SocketInfo};
use std::ffi::CString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Octets of one packet after its length. Postfix sends header fields of up to 102,400 octets and bodies in pieces of 65,535.
pub const LARGEST: usize = 2 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPacket {
    /// A length of nothing.
    Empty,
    TooLarge(u32),
}

impl fmt::Display for BadPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadPacket::Empty => f.write_str("a packet without a command"),
            BadPacket::TooLarge(length) => write!(f, "a packet of {length} octets"),
        }
    }
}

/// Octets of a stream, cut into packets.
#[derive(Debug, Default)]
pub struct Splitter {
    buffer: Vec<u8>,
    start: usize,
}

impl Splitter {
    /// Where the next octets of the stream are put (at its end).
    pub fn room(&mut self) -> &mut Vec<u8> {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
            if self.buffer.capacity() > 256 * 1024 {
                self.buffer.shrink_to(8 * 1024);
            }
        } else if self.start > 64 * 1024 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        &mut self.buffer
    }

    /// Part of a packet has come.
    pub fn has_begun(&self) -> bool {
        self.start < self.buffer.len()
    }

    /// The next whole packet; `None`: more octets are needed.
    pub fn take(&mut self) -> Result<Option<Message>, BadPacket> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length);
        if length == 0 {
            return Err(BadPacket::Empty);
        }
        let octets = usize::try_from(length).unwrap_or(usize::MAX);
        if octets > LARGEST {
            return Err(BadPacket::TooLarge(length));
        }
        let Some((kind, payload)) = rest.get(..octets).and_then(<[u8]>::split_first) else { return Ok(None) };
        let message = Message::new(*kind, payload.to_vec());
        self.start += 4 + octets;
        Ok(Some(message))
    }
}

/// Reads a packet into a command; `None`: macros of a stage that is not ours (unknown commands), to be passed over. The error
/// says what was wrong with it.
pub fn read(message: Message) -> Result<Option<Command>, String> {
    match CommandKind::try_from(message.kind) {
        Ok(CommandKind::ConnInfo) => match connect(&message.buffer) {
            Some(info) => Ok(Some(Command::ConnInfo(info))),
            None => Err("unreadable CONNECT".to_owned()),
        },
        Ok(CommandKind::DefMacros) => match message.buffer.split_first() {
            None => Err("macros without a stage".to_owned()),
            Some((stage, rest)) => match MacroStage::try_from(*stage) {
                Err(_) => Ok(None),
                Ok(stage) => match macros(rest) {
                    Some(macros) => Ok(Some(Command::DefMacros(MacroPayload { stage, macros }))),
                    None => Err("unreadable macros".to_owned()),
                },
            },
        },
        Ok(_) | Err(_) => Command::parse_command(message).map(Some).map_err(|error| error.to_string()),
    }
}

/// `name NUL family [port address NUL]`. More forgiving than indymilter: Sendmail writes `IPv6:` before an address, and an
/// address that cannot be read makes the client unknown, not the connection bad.
fn connect(payload: &[u8]) -> Option<ConnInfoPayload> {
    let end = payload.iter().position(|b| *b == 0)?;
    let hostname = CString::new(payload.get(..end)?).ok()?;
    let rest = payload.get(end + 1..)?;
    let (family, rest) = rest.split_first()?;
    let address = || -> Option<(u16, &[u8])> {
        let (port, text) = rest.split_first_chunk::<2>()?;
        Some((u16::from_be_bytes(*port), text.split(|b| *b == 0).next()?))
    };
    let socket_info = match family {
        b'4' | b'6' => address()
            .and_then(|(port, text)| {
                let text = std::str::from_utf8(text).ok()?;
                let text = if text.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:")) { &text[5..] } else { text };
                let ip: IpAddr = text.trim_matches(['[', ']']).parse().ok()?;
                Some(SocketInfo::Inet(SocketAddr::new(ip, port)))
            })
            .unwrap_or(SocketInfo::Unknown),
        b'L' => address().and_then(|(_, path)| CString::new(path).ok()).map_or(SocketInfo::Unknown, SocketInfo::Unix),
        _ => SocketInfo::Unknown,
    };
    Some(ConnInfoPayload { hostname, socket_info })
}

/// `(name NUL value NUL)*`. Postfix sends a stage without macros where none that we asked for has a value.
fn macros(payload: &[u8]) -> Option<Vec<CString>> {
    match payload.split_last() {
        None => Some(Vec::new()),
        Some((0, pairs)) => pairs.split(|octet| *octet == 0).map(|text| CString::new(text).ok()).collect(),
        Some(_) => None,
    }
}

/// Appends a packet to what is to be written.
pub fn pack(out: &mut Vec<u8>, message: &Message) {
    let length = u32::try_from(message.buffer.len() + 1).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.push(message.kind);
    out.extend_from_slice(&message.buffer);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(mut bytes: &[u8], step: usize) -> Result<Vec<(u8, Vec<u8>)>, BadPacket> {
        let mut splitter = Splitter::default();
        let mut packets = Vec::new();
        loop {
            while let Some(message) = splitter.take()? {
                packets.push((message.kind, message.buffer.to_vec()));
            }
            if bytes.is_empty() {
                return Ok(packets);
            }
            let (now, later) = bytes.split_at(step.min(bytes.len()));
            splitter.room().extend_from_slice(now);
            bytes = later;
        }
    }

    #[test]
    fn packets_are_the_same_however_they_arrive() {
        let mut wire = Vec::new();
        for (kind, size) in [(b'L', 200_000), (b'N', 0), (b'B', 65_535), (b'E', 1_048_600)] {
            pack(&mut wire, &Message::new(kind, vec![b'x'; size]));
        }
        let whole = split(&wire, usize::MAX).unwrap();
        assert_eq!(whole.iter().map(|(kind, body)| (*kind, body.len())).collect::<Vec<_>>()[3], (b'E', 1_048_600));
        assert_eq!(split(&wire, 4096).unwrap(), whole);
        assert_eq!(split(&wire[..50_000], 1).unwrap(), vec![]);
    }

    #[test]
    fn a_length_without_end_is_refused_before_its_octets_come() {
        assert_eq!(split(&[0xff, 0xff, 0xff, 0xff], 4), Err(BadPacket::TooLarge(u32::MAX)));
        assert_eq!(split(&[0, 0, 0, 0], 1), Err(BadPacket::Empty));
    }

    #[test]
    fn macros_may_be_none() {
        let count = |payload: &[u8]| macros(payload).map(|pairs| pairs.len());
        assert_eq!(count(b""), Some(0));
        assert_eq!(count(b"i\0A1\0{x}\0\0"), Some(4));
        assert_eq!(count(b"i\0A1"), None);
        assert_eq!(read(Message::new(b'D', "U")), Ok(None));
    }

    #[test]
    fn the_client_is_read_as_postfix_and_sendmail_write_it() {
        let info = |payload: &[u8]| connect(payload).map(|info| info.socket_info);
        let inet = |text: &str| Some(SocketInfo::Inet(text.parse().unwrap()));
        assert_eq!(info(b"h\x004\x00\x19192.0.2.1\x00"), inet("192.0.2.1:25"));
        assert_eq!(info(b"h\x006\x00\x19IPv6:2001:db8::1\x00"), inet("[2001:db8::1]:25"));
        assert_eq!(info(b"h\x006\x00\x192001:db8::1\x00"), inet("[2001:db8::1]:25"));
        assert_eq!(info(b"h\x00U"), Some(SocketInfo::Unknown));
        assert_eq!(info(b"h\x004\x00\x19nonsense\x00"), Some(SocketInfo::Unknown));
        assert_eq!(info(b"no end"), None);
    }
}
