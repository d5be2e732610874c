//! Answers from the network: who really sent the message, and single DNS look-ups, side by side.

use super::gather::{Asked, Gather, Outstanding};
use crate::auth::{self, Verifier};
use crate::base::Clock;
use crate::dns::{Caps, Resolver, Session};
use crate::facts::{Answer, DnsQuestion, Question, Told};
use crate::lists::Guard;
use crate::mail::Mail;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::Instant;

/// Look-ups that the rules of one message may send out, beside those of authentication.
const LIST_QUESTIONS: u32 = 400;

/// Asks on behalf of all messages.
pub struct Network {
    pub resolver: Resolver,
    pub verifier: Arc<Verifier>,
    /// Between rules and DNS lists.
    pub guard: Arc<Guard>,
    pub clock: Clock,
    /// Where the asking runs; the threads that judge only wait.
    pub runtime: tokio::runtime::Handle,
    /// What must live as long as we ask: a runtime of our own, a server on loopback.
    kept: Option<Box<dyn Send + Sync>>,
    /// Caps and deadline hold for a message as a whole, however often its rules ask.
    flights: Mutex<HashMap<usize, Flight>>,
}

struct Flight {
    mail: Weak<Mail>,
    authentication: Session,
    look_ups: Session,
}

impl Network {
    pub fn new(resolver: Resolver, verifier: Verifier, guard: Guard, clock: Clock, runtime: tokio::runtime::Handle) -> Network {
        let (verifier, guard) = (Arc::new(verifier), Arc::new(guard));
        Network { resolver, verifier, guard, clock, runtime, kept: None, flights: Mutex::default() }
    }

    /// Keeps these alive as long as itself.
    pub fn keeping(mut self, kept: impl Send + Sync + 'static) -> Network {
        self.kept = Some(Box::new(kept));
        self
    }

    /// The sessions of this message: one for authentication, one for the look-ups of rules.
    fn sessions(&self, mail: &Arc<Mail>) -> (Session, Session) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, flight| flight.mail.strong_count() > 0);
        let flight = flights.entry(Arc::as_ptr(mail) as usize).or_insert_with(|| {
            let authentication = self.resolver.session();
            let look_ups = self.resolver.session_with(Caps { questions: LIST_QUESTIONS, ..self.resolver.caps() });
            Flight { mail: Arc::downgrade(mail), authentication, look_ups }
        });
        (flight.authentication.clone(), flight.look_ups.clone())
    }

    fn start(&self, sender: &mpsc::Sender<Told>, task: impl Future<Output = Told> + Send + 'static) {
        let sender = sender.clone();
        self.runtime.spawn(async move {
            // Nobody waits any longer: fine.
            let _ = sender.send(task.await);
        });
    }
}

impl Gather for Network {
    fn ask(&self, asked: &Asked<'_, '_>) -> Box<dyn Outstanding> {
        let (sender, receiver) = mpsc::channel();
        let (authentication, look_ups) = self.sessions(asked.mail);
        let mut open = Vec::new();
        for question in asked.questions {
            match question {
                Question::Authentication => {
                    let (verifier, mail, session) = (Arc::clone(&self.verifier), Arc::clone(asked.mail), authentication.clone());
                    let (outsider, now) = (auth::outsider(asked.reading), self.clock.unix());
                    self.start(&sender, async move {
                        let facts = verifier.authenticate(&session, mail.as_sent(), outsider.as_ref(), now).await;
                        Told::Authentication(Answer::Known(facts))
                    });
                    open.push(question.clone());
                }
                Question::Dns(about) => {
                    let (session, about): (Session, DnsQuestion) = (look_ups.clone(), about.clone());
                    let guard = Arc::clone(&self.guard);
                    self.start(&sender, async move {
                        let answer = guard.ask(&session, &about).await;
                        Told::Dns(about, answer)
                    });
                    open.push(question.clone());
                }
                // Of others.
                Question::Bayes | Question::Virus => {}
            }
        }
        Box::new(Waiting { receiver, open, deadline: asked.deadline })
    }
}

struct Waiting {
    receiver: mpsc::Receiver<Told>,
    open: Vec<Question>,
    deadline: Instant,
}

impl Outstanding for Waiting {
    fn wait(self: Box<Self>) -> Vec<Told> {
        let Waiting { receiver, mut open, deadline } = *self;
        let mut told = Vec::with_capacity(open.len());
        while !open.is_empty() {
            let Ok(answer) = receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) else { break };
            let answered = question(&answer);
            open.retain(|other| *other != answered);
            told.push(answer);
        }
        told.extend(open.into_iter().filter_map(silence));
        told
    }
}

fn question(told: &Told) -> Question {
    match told {
        Told::Authentication(_) => Question::Authentication,
        Told::Bayes(_) => Question::Bayes,
        Told::Dns(about, _) => Question::Dns(about.clone()),
        Told::Virus(_) => Question::Virus,
    }
}

fn silence(question: Question) -> Option<Told> {
    match question {
        Question::Authentication => Some(Told::Authentication(Answer::Silent)),
        Question::Dns(about) => Some(Told::Dns(about, Answer::Silent)),
        Question::Bayes | Question::Virus => None,
    }
}
