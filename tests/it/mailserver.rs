//! Plays the mail server: speaks the milter protocol as Postfix 3.7 does, and keeps what it is told.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

pub trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

pub const ALL_ACTIONS: u32 = 0x1ff;
pub const ALL_OPTIONS: u32 = 0x1f_ffff;
const LEADING_SPACE: u32 = 0x10_0000;

/// One packet: its letter and the rest.
pub type Packet = (char, Vec<u8>);

pub struct MailServer {
    wire: Box<dyn Wire>,
    pub version: u32,
    pub actions: u32,
    pub options: u32,
    /// `{auth_authen}`, where the client has logged in.
    pub login: String,
}

/// What came of a message.
#[derive(Debug, Default)]
pub struct Outcome {
    pub answer: Packet,
    pub edits: Vec<Packet>,
    pub progress: usize,
}

pub struct Message<'m> {
    pub from: &'m str,
    pub to: &'m [&'m str],
    /// Name and all after the colon.
    pub fields: &'m [(&'m str, &'m str)],
    pub body: &'m [u8],
}

pub const PLAIN: Message<'_> = Message {
    from: "<a@sender.example>",
    to: &["<b@victim.example>"],
    fields: &[
        ("From", " <a@sender.example>"),
        ("To", " <b@victim.example>"),
        ("Subject", " hello"),
        ("Date", " Thu, 01 Jan 2026 00:00:00 +0000"),
        ("Message-ID", " <x@sender.example>"),
    ],
    body: b"hi\r\n",
};

impl MailServer {
    pub fn tcp(at: &str) -> MailServer {
        let stream = TcpStream::connect(at).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        MailServer::over(Box::new(stream))
    }

    pub fn unix(path: &Path) -> MailServer {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        MailServer::over(Box::new(stream))
    }

    pub fn over(wire: Box<dyn Wire>) -> MailServer {
        MailServer { wire, version: 0, actions: 0, options: 0, login: String::new() }
    }

    /// Offers everything.
    pub fn greet(mut self) -> MailServer {
        self.negotiate(6, ALL_ACTIONS, ALL_OPTIONS).unwrap();
        self
    }

    pub fn negotiate(&mut self, version: u32, actions: u32, options: u32) -> io::Result<()> {
        let offer: Vec<u8> = [version, actions, options].iter().flat_map(|word| word.to_be_bytes()).collect();
        self.send('O', &offer)?;
        let (letter, told) = self.hear()?;
        assert_eq!(letter, 'O');
        let word = |at: usize| u32::from_be_bytes(told[at..at + 4].try_into().unwrap());
        (self.version, self.actions, self.options) = (word(0), word(4), word(8));
        assert_eq!(self.actions & !actions, 0, "asked for actions that were not offered");
        assert_eq!(self.options & !options, 0, "asked for options that were not offered");
        Ok(())
    }

    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.write_all(bytes)
    }

    pub fn send(&mut self, letter: char, payload: &[u8]) -> io::Result<()> {
        let mut packet = (payload.len() as u32 + 1).to_be_bytes().to_vec();
        packet.push(letter as u8);
        packet.extend_from_slice(payload);
        self.wire.write_all(&packet)
    }

    pub fn hear(&mut self) -> io::Result<Packet> {
        let mut length = [0; 4];
        self.wire.read_exact(&mut length)?;
        let mut packet = vec![0; u32::from_be_bytes(length) as usize];
        self.wire.read_exact(&mut packet)?;
        Ok((packet[0] as char, packet[1..].to_vec()))
    }

    /// Sends and hears the answer, where one was agreed upon.
    pub fn ask(&mut self, letter: char, payload: &[u8]) -> io::Result<Packet> {
        self.send(letter, payload)?;
        let silent = match letter {
            'T' => 0x1_0000,
            'L' => 0x80,
            'N' => 0x4_0000,
            'B' => 0x8_0000,
            'U' => 0x2_0000,
            _ => 0,
        };
        if self.options & silent != 0 { Ok(('c', Vec::new())) } else { self.hear() }
    }

    pub fn macros(&mut self, stage: char, pairs: &[(&str, &str)]) -> io::Result<()> {
        let mut payload = vec![stage as u8];
        for (name, value) in pairs {
            payload.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
        }
        self.send('D', &payload)
    }

    pub fn connect(&mut self, ip: &str) -> io::Result<Packet> {
        self.macros('C', &[("j", "mx.victim.example"), ("{daemon_name}", "smtpd"), ("v", "Postfix 3.7.11")])?;
        let mut payload = b"mail.sender.example\0".to_vec();
        if ip == "local" {
            payload.push(b'U');
        } else {
            payload.push(if ip.contains(':') { b'6' } else { b'4' });
            payload.extend_from_slice(&2525u16.to_be_bytes());
            payload.extend_from_slice(ip.as_bytes());
            payload.push(0);
        }
        let answer = self.ask('C', &payload)?;
        if answer.0 != 'c' {
            return Ok(answer);
        }
        self.ask('H', b"mail.sender.example\0")
    }

    /// MAIL to the end of the message. The answer at whichever stage ended it.
    pub fn deliver(&mut self, message: &Message<'_>) -> io::Result<Outcome> {
        let address = ("{mail_addr}", message.from.trim_matches(['<', '>']));
        let login = self.login.clone();
        let macros = [address, ("{auth_authen}", login.as_str())];
        self.macros('M', if login.is_empty() { &macros[..1] } else { &macros })?;
        let answer = self.ask('M', format!("{}\0SIZE=100\0", message.from).as_bytes())?;
        if answer.0 != 'c' {
            return Ok(Outcome { answer, ..Outcome::default() });
        }
        let mut refused = None;
        let mut passed = 0;
        for to in message.to {
            let answer = self.ask('R', format!("{to}\0").as_bytes())?;
            if answer.0 == 'c' {
                passed += 1;
            } else {
                refused = Some(answer);
            }
        }
        if let (0, Some(answer)) = (passed, refused) {
            return Ok(Outcome { answer, ..Outcome::default() });
        }
        self.macros('T', &[("i", "4XQUEUEID")])?;
        if self.version > 3 {
            self.ask('T', b"")?;
        }
        for (name, value) in message.fields {
            let value = if self.options & LEADING_SPACE == 0 { value.strip_prefix(' ').unwrap_or(value) } else { value };
            self.ask('L', format!("{name}\0{value}\0").as_bytes())?;
        }
        self.ask('N', b"")?;
        for chunk in message.body.chunks(65_535) {
            self.ask('B', chunk)?;
        }
        self.macros('E', &[("i", "4XQUEUEID")])?;
        self.send('E', b"")?;
        let mut outcome = Outcome::default();
        loop {
            match self.hear()? {
                ('p', _) => outcome.progress += 1,
                edit @ ('h' | 'i' | 'm' | 'q', _) => outcome.edits.push(edit),
                answer => {
                    outcome.answer = answer;
                    // Postfix ends every message so.
                    self.send('A', b"")?;
                    return Ok(outcome);
                }
            }
        }
    }

    /// The other side has closed, and sent nothing before.
    pub fn is_closed(&mut self) -> bool {
        let mut one = [0];
        match self.wire.read(&mut one) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}
