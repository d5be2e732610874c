//! The immutable side of judging: rules and what they may ask. Swapped whole on reload.

use super::classifier::{self, WithClassifier};
use super::gather::{Asked, Gather};
use crate::base::Clock;
use crate::facts::{Facts, Question};
use crate::mail::{Arrival, Mail, Reading, Wanted, received_build};
use crate::outcome::Findings;
use crate::rules::engine::{Circumstances, Program, ScoreSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest time that the rules may take over one message, waiting not counted
/// (SpamAssassin's `time_limit` is 300 seconds in all).
const WORK: Duration = Duration::from_secs(60);
/// Longest time to wait for answers, where the door sets no deadline.
const WAIT: Duration = Duration::from_secs(20);

pub struct Engine {
    pub program: Program,
    /// `None`: no question is asked (`--local`, and no classifier).
    pub gather: Option<Arc<dyn Gather>>,
    /// Network questions are allowed.
    pub network: bool,
    /// The classifier. Its scores count while it has learned enough.
    pub bayes: Option<Arc<classifier::Judge>>,
    pub clock: Clock,
    /// What others than the rules need of attachments.
    pub wanted: Wanted,
}

/// What one caller wants of one message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// Keep the places of sub-rules too.
    pub explain: bool,
    /// When the verdict must be there.
    pub deadline: Option<Instant>,
}

/// What was found, and what it was found of.
pub struct Judged {
    pub mail: Arc<Mail>,
    pub arrival: Arc<Arrival>,
    pub findings: Findings,
    pub facts: Facts,
    /// The scores that counted.
    pub scores: ScoreSet,
    /// Time spent on waiting for answers.
    pub waited: Duration,
}

impl Engine {
    /// Rules alone: no network, no classifier.
    pub fn local(program: Program) -> Engine {
        Engine { program, gather: None, network: false, bayes: None, clock: Clock::System, wanted: Wanted::default() }
    }

    /// Asks this classifier too.
    #[must_use]
    pub fn with_classifier(self, judge: &Arc<classifier::Judge>) -> Engine {
        let gather = WithClassifier { judge: Arc::clone(judge), others: self.gather };
        Engine { gather: Some(Arc::new(gather)), bayes: Some(Arc::clone(judge)), ..self }
    }

    pub fn score_set(&self) -> ScoreSet {
        let asks = self.gather.is_some();
        ScoreSet { network: asks && self.network, bayes: asks && self.bayes.as_ref().is_some_and(|judge| judge.is_ready()) }
    }

    /// The message as rules see it. Of a live arrival, the Received field that our mail server will write comes first.
    pub fn parse(&self, raw: Vec<u8>, arrival: &Arrival) -> Mail {
        let mail = match arrival {
            Arrival::Sender(_) | Arrival::FromFields => Mail::parse(raw),
            Arrival::Live(live) => {
                let style = received_build::Style::default();
                let mut received = received_build::field(&live.0, &live.1, style, self.clock.now());
                let end = raw.iter().position(|octet| *octet == b'\n');
                let crlf = end.is_some_and(|at| at > 0 && raw.get(at - 1) == Some(&b'\r'));
                if !crlf {
                    received.retain(|octet| *octet != b'\r');
                }
                Mail::arriving(&raw, &received)
            }
        };
        mail.wanting(self.wanted)
    }

    /// Judges one message. It may take as long as `wish` allows, and blocks; doors call it on their bounded pool.
    pub fn judge(&self, raw: Vec<u8>, arrival: Arrival, wish: Wish) -> Judged {
        let mail = Arc::new(self.parse(raw, &arrival));
        let arrival = Arc::new(arrival);
        let scores = self.score_set();
        let (findings, facts, waited) = self.evaluate(&mail, &arrival, scores, wish);
        Judged { mail, arrival, findings, facts, scores, waited }
    }

    fn evaluate(&self, mail: &Arc<Mail>, arrival: &Arc<Arrival>, scores: ScoreSet, wish: Wish) -> (Findings, Facts, Duration) {
        let began = Instant::now();
        let waited = std::cell::Cell::new(Duration::ZERO);
        let deadline = wish.deadline.unwrap_or(began + WORK + WAIT);
        let expired = || {
            let now = Instant::now();
            now >= deadline || now.duration_since(began).saturating_sub(waited.get()) > WORK
        };
        let reading = Reading::new(mail, arrival, &self.program.set.options.view);
        let circumstances = Circumstances { set: scores, now: self.clock.unix(), explain: wish.explain, watch: &expired };
        let mut run = self.program.begin(&reading, circumstances);
        while let Some(questions) = run.questions() {
            let Some(gather) = &self.gather else { break };
            let until = deadline.min(Instant::now() + WAIT);
            let asked = Asked { questions: &questions, mail, arrival, reading: &reading, facts: run.facts(), deadline: until };
            let outstanding = gather.ask(&asked);
            run.work();
            let pause = Instant::now();
            let told = outstanding.wait();
            waited.set(waited.get() + pause.elapsed());
            let before = run.known();
            run.tell(told);
            if run.known() == before {
                // Nobody answered anything, not even that there is no answer: asking again would not end.
                break;
            }
        }
        let mut facts = run.facts().clone();
        // What is written about the sender is wanted whether or not a rule asked.
        let may_ask = self.network && crate::rules::engine::dns::is_available(&self.program.set.options);
        if let Some(gather) = self.gather.as_ref().filter(|_| may_ask && facts.authentication.is_none()) {
            let pause = Instant::now();
            let until = deadline.min(pause + WAIT);
            let asked = Asked { questions: &[Question::Authentication], mail, arrival, reading: &reading, facts: &facts, deadline: until };
            let told = gather.ask(&asked).wait();
            told.into_iter().for_each(|answer| facts.tell(answer));
            waited.set(waited.get() + pause.elapsed());
        }
        (run.finish(), facts, waited.get())
    }
}
