//! One connection: packets in, the session's step, the judge's word, packets out.

use super::counters::count;
use super::door::{Door, Phase};
use super::judge::{Afterwards, Early, Judge, Judgement, Letter, Promise, Summary};
use super::letter::{Limit, Limits};
use super::listen::Stream;
use super::negotiate::{Agreement, negotiate};
use super::packets::{self, BadPacket, Splitter};
use super::registry::{Pulse, Seat};
use super::replies;
use super::session::{Complete, OutOfOrder, Session, Stage, State, Step};
use super::settings::{Excess, Settings};
use crate::outcome::{Action, Reply, Verdict};
use indymilter::ProtoOpts;
use indymilter::message::Message;
use indymilter::message::command::Command;
use indymilter::message::reply::ReplyKind;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

/// A reply that the peer does not take in so long is given up.
const WRITE: Duration = Duration::from_secs(30);

/// Why a connection ended.
#[derive(Debug)]
enum End {
    /// QUIT, or the peer is gone.
    Quit,
    /// The daemon stops, or room was needed.
    Asked,
    Timeout(&'static str),
    Protocol(String),
    /// Gone in the middle of something.
    Lost,
}

impl From<OutOfOrder> for End {
    fn from(OutOfOrder(what): OutOfOrder) -> End {
        End::Protocol(format!("{what} out of order"))
    }
}

pub struct Serving {
    stream: Stream,
    door: Arc<Door>,
    seat: Seat,
    phase: watch::Receiver<Phase>,
    splitter: Splitter,
    settings: Arc<Settings>,
    /// What was read last has had no reply.
    unanswered: bool,
}

impl Serving {
    pub fn new(stream: Stream, door: Arc<Door>) -> Serving {
        Serving {
            stream,
            seat: door.registry.enter(),
            phase: door.phase(),
            splitter: Splitter::default(),
            settings: door.settings(),
            unanswered: false,
            door,
        }
    }

    pub async fn run(mut self) {
        let counters = Arc::clone(&self.door.counters);
        counters.open.fetch_add(1, Ordering::Relaxed);
        let (end, aborted, id) = self.talk().await;
        counters.open.fetch_sub(1, Ordering::Relaxed);
        counters.aborted.fetch_add(aborted, Ordering::Relaxed);
        match end {
            End::Quit | End::Asked => {}
            End::Lost => tracing::debug!(id, "the mail server closed the connection"),
            End::Timeout(what) => {
                count(&counters.timeouts);
                tracing::info!(id, "connection closed: {what}");
            }
            End::Protocol(what) => {
                count(&counters.protocol_errors);
                tracing::warn!(id, "connection closed for what it sent: {what}");
            }
        }
    }

    /// The end, messages given up before theirs, and the id of the connection.
    async fn talk(&mut self) -> (End, u64, String) {
        let (agreement, mut session) = match self.greet().await {
            Ok(met) => met,
            Err(end) => return (end, 0, String::new()),
        };
        let end = match self.converse(&agreement, &mut session).await {
            Ok(never) => never,
            Err(end) => end,
        };
        let aborted = session.aborted + u64::from(session.in_message());
        (end, aborted, session.id())
    }

    async fn greet(&mut self) -> Result<(Agreement, Session), End> {
        let first = self.next(false).await?;
        let Ok(Some(Command::OptNeg(offer))) = packets::read(first) else {
            return Err(End::Protocol("something else before the negotiation".to_owned()));
        };
        let Some((agreement, reply)) = negotiate(&offer) else {
            return Err(End::Protocol(format!("protocol version {}, which is too old", offer.version)));
        };
        let mut out = Vec::new();
        packets::pack(&mut out, &reply.into_message());
        self.write(&out).await?;
        let leading_space = agreement.options.contains(ProtoOpts::LEADING_SPACE);
        let limits = Limits::from(&*self.settings);
        Ok((agreement, Session::new(leading_space, limits, Arc::clone(&self.door.budget))))
    }

    async fn converse(&mut self, agreement: &Agreement, session: &mut Session) -> Result<End, End> {
        let mut judge = self.door.judge();
        loop {
            let message = self.next(session.in_message()).await?;
            let Some(command) = packets::read(message).map_err(End::Protocol)? else { continue };
            match session.step(command)? {
                Step::Silence => {}
                Step::GoOn(stage) => {
                    if !agreement.options.contains(silence(stage)) {
                        self.say(ReplyKind::Continue).await?;
                    }
                }
                Step::Connect => {
                    judge = self.door.judge();
                    let early = ask(judge.as_ref().as_ref(), session, None).await;
                    self.answer_early(session, early, "connection").await?;
                }
                Step::Helo => {
                    let early = ask(judge.as_ref().as_ref(), session, None).await;
                    self.answer_early(session, early, "greeting").await?;
                }
                Step::Mail => {
                    judge = self.door.judge();
                    self.settings = self.door.settings();
                    let early = ask(judge.as_ref().as_ref(), session, None).await;
                    if self.answer_early(session, early, "sender").await? {
                        session.drop_message();
                    }
                }
                Step::Rcpt(recipient) => {
                    let early = ask(judge.as_ref().as_ref(), session, Some(&recipient)).await;
                    if !self.answer_early(session, early, "recipient").await? {
                        session.admit(recipient);
                    }
                }
                Step::Refused(recipient) => {
                    if let (Some(visit), Some(envelope)) = (session.visit(), session.envelope()) {
                        let told = caught(judge.stages().refused(visit, envelope, &recipient));
                        let _ = tokio::time::timeout(Duration::from_secs(30), told).await;
                    }
                    self.say(ReplyKind::Continue).await?;
                }
                Step::Message(complete) => {
                    self.message(Arc::clone(&judge), *complete, agreement).await?;
                    if *self.phase.borrow() != Phase::Open {
                        return Ok(End::Asked);
                    }
                }
                Step::Close => return Ok(End::Quit),
            }
        }
    }

    /// Answers a stage before the message; `true`: it was no "go on".
    async fn answer_early(&mut self, session: &Session, early: Early, what: &str) -> Result<bool, End> {
        let (reply, class) = match &early {
            Early::Continue => {
                self.say(ReplyKind::Continue).await?;
                return Ok(false);
            }
            Early::Accept => {
                self.say(ReplyKind::Accept).await?;
                return Ok(true);
            }
            Early::Discard => {
                self.say(ReplyKind::Discard).await?;
                return Ok(true);
            }
            Early::TempFail(reply) => (reply, 4),
            Early::Reject(reply) => (reply, 5),
        };
        count(&self.door.counters.refused_early);
        let envelope = session.envelope();
        let client = session.visit().map(|visit| &visit.client);
        tracing::info!(
            id = session.id(),
            queue = envelope.map(|e| e.queue_id.as_str()).unwrap_or_default(),
            client = client.and_then(|c| c.ip).map(|ip| ip.to_string()).unwrap_or_default(),
            helo = client.map(|c| c.helo.as_str()).unwrap_or_default(),
            from = envelope.map(|e| e.mail_from.as_str()).unwrap_or_default(),
            action = if class == 4 { "tempfail" } else { "reject" },
            reply = %format_args!("{} {} {}", reply.code, reply.status, reply.text),
            "{what}"
        );
        let mut out = Vec::new();
        replies::answer(&mut out, reply, class);
        self.write(&out).await?;
        Ok(true)
    }

    async fn message(&mut self, judge: Arc<Box<dyn Judge>>, complete: Complete, agreement: &Agreement) -> Result<(), End> {
        let begun = Instant::now();
        count(&self.door.counters.messages);
        let record = Record::of(&complete);
        let judgement = match excess(complete.passed, &self.settings) {
            None => self.judge(judge, complete).await?,
            Some((limit, excess)) => {
                count(&self.door.counters.over_limit);
                let mut judgement = match excess {
                    Excess::Scan => self.judge(judge, complete).await?,
                    Excess::Accept => unjudged(Action::Accept),
                    Excess::TempFail => unjudged(Action::TempFail(reply(452, "4.3.1", "too busy for this message, try again later"))),
                    Excess::Reject => unjudged(Action::Reject(reply(552, "5.3.4", "message or header section too large"))),
                };
                judgement.summary.notes.push(limit.word().to_owned());
                judgement
            }
        };
        let (out, undone) = replies::verdict(&judgement.verdict, agreement);
        let written = self.write(&out).await;
        self.tally(&judgement.verdict, record.octets);
        record.log(&judgement, &undone, begun.elapsed(), written.is_ok());
        if written.is_ok() {
            judgement.afterwards.act();
        }
        written
    }

    /// On the pool, with progress told to the mail server while it lasts.
    async fn judge(&mut self, judge: Arc<Box<dyn Judge>>, complete: Complete) -> Result<Judgement, End> {
        let deadline = Instant::now() + self.settings.verdict.0;
        let judges = Arc::clone(&self.door.judges);
        let work = async move {
            // The semaphore is never closed.
            let permit = judges.acquire_owned().await.ok();
            let arrival = complete.arrival();
            let Complete { id, raw, passed, share, .. } = complete;
            let letter = Letter { id, arrival, raw, truncated: passed.is_some(), deadline };
            tokio::task::spawn_blocking(move || {
                let judgement = judge.message(letter);
                drop((permit, share));
                judgement
            })
            .await
        };
        tokio::pin!(work);
        let mut progress = tokio::time::interval(self.settings.progress.0.max(Duration::from_millis(10)));
        progress.reset();
        let mut phase = self.phase.clone();
        loop {
            tokio::select! {
                biased;
                judged = &mut work => return Ok(judged.unwrap_or_else(|_| {
                    count(&self.door.counters.panics);
                    come_back("panic", "local error in processing, try again later")
                })),
                _ = tokio::time::sleep_until(deadline.into()) => {
                    count(&self.door.counters.late);
                    return Ok(come_back("late", "no verdict in time, try again later"));
                }
                () = until_phase(&mut phase, |phase| phase == Phase::Over) => {
                    return Ok(come_back("stopping", "service is stopping, try again later"));
                }
                _ = progress.tick() => self.say(ReplyKind::Progress).await?,
            }
        }
    }

    fn tally(&self, verdict: &Verdict, octets: usize) {
        let counters = &self.door.counters;
        counters.octets.fetch_add(octets as u64, Ordering::Relaxed);
        count(match &verdict.action {
            Action::Accept if verdict.spam => &counters.marked,
            Action::Accept => &counters.accepted,
            Action::Quarantine(_) => &counters.quarantined,
            Action::Discard => &counters.discarded,
            Action::TempFail(_) => &counters.tempfailed,
            Action::Reject(_) => &counters.rejected,
        });
    }

    /// The next packet. A connection without a message may be asked to leave while it waits.
    async fn next(&mut self, in_message: bool) -> Result<Message, End> {
        let mut deadline = None;
        loop {
            match self.splitter.take() {
                Ok(Some(message)) => {
                    self.seat.pulse.busy();
                    return Ok(message);
                }
                Ok(None) => {}
                Err(bad @ (BadPacket::Empty | BadPacket::TooLarge(_))) => return Err(End::Protocol(bad.to_string())),
            }
            let begun = self.splitter.has_begun();
            let (until, what) = if begun {
                let until = *deadline.get_or_insert_with(|| Instant::now() + self.settings.packet.0);
                (until, "half a packet that did not go on")
            } else {
                (Instant::now() + self.settings.idle.0, "idle")
            };
            if !in_message {
                self.seat.pulse.idle();
            }
            self.fill(until, what, in_message, begun).await?;
        }
    }

    async fn fill(&mut self, until: Instant, what: &'static str, in_message: bool, begun: bool) -> Result<(), End> {
        if self.unanswered {
            self.stream.acknowledge();
        }
        self.unanswered = true;
        let room = self.splitter.room();
        if room.capacity() - room.len() < 4 * 1024 {
            room.reserve(if room.is_empty() { 4 * 1024 } else { 32 * 1024 });
        }
        let pulse: &Pulse = &self.seat.pulse;
        tokio::select! {
            biased;
            read = self.stream.read_buf(room) => match read {
                Ok(0) if begun || in_message => Err(End::Lost),
                Ok(0) => Err(End::Quit),
                Ok(_) => Ok(()),
                Err(_) => Err(End::Lost),
            },
            () = pulse.leave.notified() => Err(End::Asked),
            () = until_phase(&mut self.phase, |phase| match phase {
                Phase::Open => false,
                Phase::Closing => !in_message,
                Phase::Over => true,
            }) => Err(End::Asked),
            () = tokio::time::sleep_until(until.into()) => Err(End::Timeout(what)),
        }
    }

    async fn say(&mut self, kind: ReplyKind) -> Result<(), End> {
        let mut out = Vec::with_capacity(5);
        replies::simple(&mut out, kind);
        self.write(&out).await
    }

    async fn write(&mut self, out: &[u8]) -> Result<(), End> {
        self.unanswered = false;
        match tokio::time::timeout(WRITE, self.stream.write_all(out)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Lost),
            Err(_) => Err(End::Timeout("a reply that was not taken")),
        }
    }
}

async fn until_phase(phase: &mut watch::Receiver<Phase>, reached: impl Fn(Phase) -> bool) {
    // An error: the door is gone, and with it all connections.
    let _ = phase.wait_for(|now| reached(*now)).await;
}

/// Which agreed silence covers a stage.
fn silence(stage: Stage) -> ProtoOpts {
    match stage {
        Stage::Data => ProtoOpts::NOREPLY_DATA,
        Stage::Header => ProtoOpts::NOREPLY_HEADER,
        Stage::EndOfHeader => ProtoOpts::NOREPLY_EOH,
        Stage::Body => ProtoOpts::NOREPLY_BODY,
        Stage::Unknown => ProtoOpts::NOREPLY_UNKNOWN,
    }
}

/// The judge's word on the state the session has reached.
async fn ask(judge: &dyn Judge, session: &Session, recipient: Option<&str>) -> Early {
    let stages = judge.stages();
    let promise: Promise<'_, Early> = match (&session.state, recipient) {
        (State::Negotiated(_) | State::Reading(_), _) => return Early::Continue,
        (State::Connected(connected), _) if connected.visit.client.helo.is_empty() => stages.connect(&connected.visit),
        (State::Connected(connected), _) => stages.helo(&connected.visit),
        (State::Addressing(addressing), None) => stages.mail(&addressing.connected.visit, &addressing.envelope),
        (State::Addressing(addressing), Some(to)) => stages.rcpt(&addressing.connected.visit, &addressing.envelope, to),
    };
    let busy = || Early::TempFail(reply(451, "4.3.0", "local error in processing, try again later"));
    match tokio::time::timeout(Duration::from_secs(30), caught(promise)).await {
        Ok(Some(early)) => early,
        Ok(None) => busy(),
        Err(_) => busy(),
    }
}

/// `None`: it panicked.
async fn caught<T>(mut promise: Promise<'_, T>) -> Option<T> {
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| promise.as_mut().poll(cx))) {
        Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(None),
    })
    .await
}

fn excess(passed: Option<Limit>, settings: &Settings) -> Option<(Limit, Excess)> {
    passed.map(|limit| match limit {
        Limit::MessageSize => (limit, settings.larger_message),
        Limit::HeaderSize | Limit::Fields => (limit, settings.larger_header),
        Limit::InFlight => (limit, Excess::TempFail),
    })
}

fn reply(code: u16, status: &str, text: &str) -> Reply {
    Reply { code, status: status.to_owned(), text: text.to_owned() }
}

fn unjudged(action: Action) -> Judgement {
    Judgement {
        verdict: Verdict { action, spam: false, edits: Vec::new() },
        summary: Summary::default(),
        afterwards: Afterwards::default(),
    }
}

fn come_back(note: &str, text: &str) -> Judgement {
    let mut judgement = unjudged(Action::TempFail(reply(451, "4.3.0", text)));
    judgement.summary.notes.push(note.to_owned());
    judgement
}

/// What the log line of a message says besides the verdict.
struct Record {
    id: String,
    queue: String,
    client: String,
    name: String,
    helo: String,
    login: String,
    from: String,
    to: String,
    octets: usize,
}

impl Record {
    fn of(complete: &Complete) -> Record {
        let Complete { id, client, envelope, raw, .. } = complete;
        let to = match envelope.recipients.as_slice() {
            [] => String::new(),
            [only] => only.clone(),
            [first, others @ ..] => format!("{first} and {} more", others.len()),
        };
        Record {
            id: id.clone(),
            queue: envelope.queue_id.clone(),
            client: client.ip.map(|ip| ip.to_string()).unwrap_or_else(|| "local".to_owned()),
            name: client.name.clone(),
            helo: client.helo.clone(),
            login: client.login.clone(),
            from: envelope.mail_from.clone(),
            to,
            octets: raw.len(),
        }
    }

    fn log(&self, judgement: &Judgement, undone: &[&str], took: Duration, told: bool) {
        let Judgement { verdict, summary, .. } = judgement;
        let mut notes = summary.notes.clone();
        notes.extend(undone.iter().map(|what| format!("no-{}", what.replace(' ', "-"))));
        if !told {
            notes.push("mail-server-gone".to_owned());
        }
        let action = match &verdict.action {
            Action::Accept if verdict.spam => "mark",
            Action::Accept => "accept",
            Action::Quarantine(_) => "quarantine",
            Action::Discard => "discard",
            Action::TempFail(_) => "tempfail",
            Action::Reject(_) => "reject",
        };
        tracing::info!(
            id = self.id,
            queue = self.queue,
            client = self.client,
            name = self.name,
            helo = self.helo,
            login = self.login,
            from = self.from,
            to = self.to,
            octets = self.octets,
            action,
            score = summary.score,
            required = summary.required,
            rules = summary.rules.join(","),
            notes = notes.join(","),
            microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "message"
        );
    }
}
