//! One connection, as far as it has come. The states are types, so that a body cannot be had before an envelope is.

use super::judge::{Keeps, Visit};
use super::letter::{Budget, Limit, Limits, Share, Text};
use super::macros::Macros;
use crate::base::networks::unmap;
use crate::mail::{Arrival, Client, Envelope};
use indymilter::message::command::{Command, ConnInfoPayload, EnvAddrPayload, HeaderPayload};
use indymilter::{MacroStage, SocketInfo};
use std::ffi::CString;
use std::sync::Arc;

/// No client yet, or none any more (QUIT_NC).
#[derive(Debug)]
pub struct Negotiated;

/// A client, greeted or not; no message.
#[derive(Debug)]
pub struct Connected {
    pub visit: Visit,
    /// Messages of this connection so far.
    messages: u32,
}

/// MAIL has come.
#[derive(Debug)]
pub struct Addressing {
    pub connected: Connected,
    pub envelope: Envelope,
}

/// Header or body is coming.
#[derive(Debug)]
pub struct Reading {
    pub addressing: Addressing,
    text: Text,
}

#[derive(Debug)]
pub enum State {
    Negotiated(Negotiated),
    Connected(Box<Connected>),
    Addressing(Box<Addressing>),
    Reading(Box<Reading>),
}

/// A message at its end, before the judge sees it.
#[derive(Debug)]
pub struct Complete {
    pub id: String,
    pub client: Client,
    pub envelope: Envelope,
    pub raw: Vec<u8>,
    pub passed: Option<Limit>,
    pub share: Share,
}

impl Complete {
    pub fn arrival(&self) -> Arrival {
        Arrival::Live(Box::new((self.client.clone(), self.envelope.clone())))
    }
}

/// What a command asks for.
#[derive(Debug)]
pub enum Step {
    /// Never answered: macros, abort.
    Silence,
    /// Answered with "go on", unless silence was agreed upon for that stage.
    GoOn(Stage),
    Connect,
    Helo,
    Mail,
    Rcpt(String),
    /// The mail server has refused this recipient and tells us so.
    Refused(String),
    Message(Box<Complete>),
    Close,
}

/// Stages whose answer may have been agreed to be silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Data,
    Header,
    EndOfHeader,
    Body,
    Unknown,
}

/// A command that has no place where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfOrder(pub &'static str);

/// What stays the same for a connection.
#[derive(Debug)]
pub struct Session {
    pub state: State,
    macros: Macros,
    leading_space: bool,
    limits: Limits,
    budget: Arc<Budget>,
    /// A message was given up before its end.
    pub aborted: u64,
}

impl Session {
    pub fn new(leading_space: bool, limits: Limits, budget: Arc<Budget>) -> Session {
        Session { state: State::Negotiated(Negotiated), macros: Macros::default(), leading_space, limits, budget, aborted: 0 }
    }

    /// A message has begun and is not answered yet.
    pub fn in_message(&self) -> bool {
        match &self.state {
            State::Negotiated(_) | State::Connected(_) => false,
            State::Addressing(_) | State::Reading(_) => true,
        }
    }

    pub fn visit(&self) -> Option<&Visit> {
        match &self.state {
            State::Negotiated(_) => None,
            State::Connected(connected) => Some(&connected.visit),
            State::Addressing(addressing) => Some(&addressing.connected.visit),
            State::Reading(reading) => Some(&reading.addressing.connected.visit),
        }
    }

    pub fn envelope(&self) -> Option<&Envelope> {
        match &self.state {
            State::Negotiated(_) | State::Connected(_) => None,
            State::Addressing(addressing) => Some(&addressing.envelope),
            State::Reading(reading) => Some(&reading.addressing.envelope),
        }
    }

    /// The judge lets this recipient pass.
    pub fn admit(&mut self, recipient: String) {
        if let State::Addressing(addressing) = &mut self.state
            && addressing.envelope.recipients.len() < self.limits.recipients
        {
            addressing.envelope.recipients.push(recipient);
        }
    }

    /// The message is over before its end: refused at MAIL.
    pub fn drop_message(&mut self) {
        self.back_back_to_connected();
    }

    pub fn step(&mut self, command: Command) -> Result<Step, OutOfOrder> {
        match command {
            Command::DefMacros(told) => {
                self.macros.tell(told.stage, &told.macros);
                Ok(Step::Silence)
            }
            Command::ConnInfo(info) => Ok(self.connect(info)),
            Command::Helo(helo) => self.helo(&helo.hostname),
            Command::Mail(sender) => self.mail(&sender),
            Command::Rcpt(recipient) => self.rcpt(&recipient),
            Command::Data => match &self.state {
                State::Addressing(_) => Ok(Step::GoOn(Stage::Data)),
                State::Negotiated(_) | State::Connected(_) | State::Reading(_) => Err(OutOfOrder("DATA")),
            },
            Command::Header(field) => self.header(&field),
            Command::Eoh => {
                self.reading("end of header")?.text.end_of_header();
                Ok(Step::GoOn(Stage::EndOfHeader))
            }
            Command::BodyChunk(chunk) => {
                self.reading("body")?.text.body(&chunk);
                Ok(Step::GoOn(Stage::Body))
            }
            Command::BodyEnd(chunk) => {
                self.reading("end of message")?.text.body(&chunk);
                self.end()
            }
            Command::Abort => {
                self.aborted += u64::from(self.in_message());
                self.back_back_to_connected();
                Ok(Step::Silence)
            }
            Command::Unknown(_) => Ok(Step::GoOn(Stage::Unknown)),
            Command::QuitNc => {
                self.aborted += u64::from(self.in_message());
                self.state = State::Negotiated(Negotiated);
                self.macros = Macros::default();
                Ok(Step::Silence)
            }
            Command::Quit => Ok(Step::Close),
            Command::OptNeg(_) => Err(OutOfOrder("a second negotiation")),
        }
    }

    fn connect(&mut self, info: ConnInfoPayload) -> Step {
        self.aborted += u64::from(self.in_message());
        // Macros of CONNECT come before it; those of an earlier client are gone with it.
        self.macros.forget_from(MacroStage::Helo);
        let (ip, port) = match info.socket_info {
            SocketInfo::Inet(address) => (Some(unmap(address.ip())), address.port()),
            SocketInfo::Unix(_) | SocketInfo::Unknown => (None, 0),
        };
        let told = words(&info.hostname);
        // Sendmail hands over the PTR name before it is verified and says FORGED beside it.
        let verified = self.macros.get("client_resolve").is_none_or(|how| how == "OK");
        let known = |name: &str| if name == "unknown" || name.starts_with('[') { String::new() } else { name.to_owned() };
        let ptr = self.macros.get("client_ptr").map(known).unwrap_or_else(|| known(&told));
        let client = Client { ip, port, name: if verified { known(&told) } else { String::new() }, ptr, ..Client::default() };
        let visit = Visit { id: super::ids::next(), client, keeps: Keeps::default() };
        self.state = State::Connected(Box::new(Connected { visit, messages: 0 }));
        Step::Connect
    }

    fn helo(&mut self, name: &CString) -> Result<Step, OutOfOrder> {
        // RFC 5321 §4.1.4: a greeting in the middle of a message ends it.
        self.aborted += u64::from(self.in_message());
        self.back_back_to_connected();
        let tls = self.macros.get("tls_version").unwrap_or_default().to_owned();
        match &mut self.state {
            State::Connected(connected) => {
                connected.visit.client.helo = words(name);
                connected.visit.client.tls_version = tls;
                Ok(Step::Helo)
            }
            State::Negotiated(_) | State::Addressing(_) | State::Reading(_) => Err(OutOfOrder("HELO")),
        }
    }

    fn mail(&mut self, sender: &EnvAddrPayload) -> Result<Step, OutOfOrder> {
        self.aborted += u64::from(self.in_message());
        self.back_to_connected();
        self.macros.forget_from(MacroStage::Rcpt);
        match std::mem::replace(&mut self.state, State::Negotiated(Negotiated)) {
            State::Connected(mut connected) => {
                connected.messages += 1;
                let client = &mut connected.visit.client;
                client.login = self.macros.get("auth_authen").unwrap_or_default().to_owned();
                if let Some(tls) = self.macros.get("tls_version") {
                    client.tls_version = tls.to_owned();
                }
                let envelope = Envelope { mail_from: address(sender), ..Envelope::default() };
                self.state = State::Addressing(Box::new(Addressing { connected: *connected, envelope }));
                self.refresh();
                Ok(Step::Mail)
            }
            State::Negotiated(_) | State::Addressing(_) | State::Reading(_) => Err(OutOfOrder("MAIL")),
        }
    }

    fn rcpt(&mut self, recipient: &EnvAddrPayload) -> Result<Step, OutOfOrder> {
        match &self.state {
            State::Addressing(_) => {
                self.refresh();
                // Sendmail and Postfix: a recipient that was refused comes with {rcpt_mailer} "error".
                let refused = self.macros.get("rcpt_mailer") == Some("error");
                let recipient = address(recipient);
                Ok(if refused { Step::Refused(recipient) } else { Step::Rcpt(recipient) })
            }
            State::Negotiated(_) | State::Connected(_) | State::Reading(_) => Err(OutOfOrder("RCPT")),
        }
    }

    fn header(&mut self, field: &HeaderPayload) -> Result<Step, OutOfOrder> {
        let leading_space = self.leading_space;
        let reading = self.reading("header field")?;
        if reading.text.in_body() {
            return Err(OutOfOrder("header field"));
        }
        reading.text.field(field.name.as_bytes(), field.value.as_bytes(), leading_space);
        Ok(Step::GoOn(Stage::Header))
    }

    /// The message under way; begins one where the envelope is there.
    fn reading(&mut self, what: &'static str) -> Result<&mut Reading, OutOfOrder> {
        if matches!(self.state, State::Addressing(_))
            && let State::Addressing(addressing) = std::mem::replace(&mut self.state, State::Negotiated(Negotiated))
        {
            let text = Text::new(self.limits, Share::new(&self.budget));
            self.state = State::Reading(Box::new(Reading { addressing: *addressing, text }));
        }
        match &mut self.state {
            State::Reading(reading) => Ok(reading),
            State::Negotiated(_) | State::Connected(_) | State::Addressing(_) => Err(OutOfOrder(what)),
        }
    }

    fn end(&mut self) -> Result<Step, OutOfOrder> {
        self.refresh();
        match std::mem::replace(&mut self.state, State::Negotiated(Negotiated)) {
            State::Reading(reading) => {
                let Reading { addressing: Addressing { connected, mut envelope }, text } = *reading;
                envelope.macros = self.macros.all();
                let (raw, passed, share) = text.finish();
                let complete =
                    Complete { id: message_id(&connected), client: connected.visit.client.clone(), envelope, raw, passed, share };
                self.state = State::Connected(Box::new(connected));
                self.macros.forget_from(MacroStage::Mail);
                Ok(Step::Message(Box::new(complete)))
            }
            State::Negotiated(_) | State::Connected(_) | State::Addressing(_) => Err(OutOfOrder("end of message")),
        }
    }

    /// Postfix knows the queue id from the first recipient that passed on.
    fn refresh(&mut self) {
        let envelope = match &mut self.state {
            State::Addressing(addressing) => &mut addressing.envelope,
            State::Reading(reading) => &mut reading.addressing.envelope,
            State::Negotiated(_) | State::Connected(_) => return,
        };
        envelope.queue_id = self.macros.get("i").unwrap_or_default().to_owned();
        envelope.server = self.macros.get("j").unwrap_or_default().to_owned();
    }

    /// Ends a message, if there is one; its macros go with it.
    fn back_back_to_connected(&mut self) {
        if self.in_message() {
            self.macros.forget_from(MacroStage::Mail);
        }
        self.back_to_connected();
    }

    fn back_to_connected(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Negotiated(Negotiated)) {
            State::Negotiated(negotiated) => State::Negotiated(negotiated),
            State::Connected(connected) => State::Connected(connected),
            State::Addressing(addressing) => State::Connected(Box::new(addressing.connected)),
            State::Reading(reading) => State::Connected(Box::new(reading.addressing.connected)),
        };
    }

    /// The id of the message under way, or of the connection.
    pub fn id(&self) -> String {
        match &self.state {
            State::Negotiated(_) => String::new(),
            State::Connected(connected) => connected.visit.id.clone(),
            State::Addressing(addressing) => message_id(&addressing.connected),
            State::Reading(reading) => message_id(&reading.addressing.connected),
        }
    }
}

/// Messages of one connection count on.
fn message_id(connected: &Connected) -> String {
    format!("{}.{}", connected.visit.id, connected.messages)
}

fn words(text: &CString) -> String {
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}

/// The first argument without its angle brackets.
fn address(payload: &EnvAddrPayload) -> String {
    let first = payload.args.first().map(words).unwrap_or_default();
    let first = first.trim();
    first.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(first).to_owned()
}
