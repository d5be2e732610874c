//! The antivirus daemon's answer, beside those of others.

use super::gather::{Asked, Gather, Outstanding};
use crate::facts::{Answer, NO_SCANNER, Question, Told, Virus};
use crate::virus::Scanner;
use std::sync::{Arc, mpsc};
use std::time::Instant;

/// Asks the daemon, and leaves all other questions to who is inside. Without a daemon it says so at once.
pub struct Antivirus {
    pub scanner: Option<Arc<Scanner>>,
    pub others: Arc<dyn Gather>,
}

impl Gather for Antivirus {
    fn ask(&self, asked: &Asked<'_, '_>) -> Box<dyn Outstanding> {
        let others = self.others.ask(asked);
        if !asked.questions.contains(&Question::Virus) {
            return others;
        }
        let (sender, receiver) = mpsc::channel();
        let deadline = asked.deadline;
        match &self.scanner {
            None => {
                let _ = sender.send(Answer::Known(Virus::Unseen(NO_SCANNER.to_owned())));
            }
            Some(scanner) => {
                let (scanner, mail) = (Arc::clone(scanner), Arc::clone(asked.mail));
                let work = move || {
                    // Nobody waits any longer: fine.
                    let _ = sender.send(scanner.inspect(&mail, deadline));
                };
                if let Err(error) = std::thread::Builder::new().name("antivirus".into()).spawn(work) {
                    tracing::warn!(%error, "no thread for the antivirus daemon");
                }
            }
        }
        Box::new(Both { others, receiver, deadline })
    }
}

struct Both {
    others: Box<dyn Outstanding>,
    receiver: mpsc::Receiver<Answer<Virus>>,
    deadline: Instant,
}

impl Outstanding for Both {
    fn wait(self: Box<Self>) -> Vec<Told> {
        let mut told = self.others.wait();
        let left = self.deadline.saturating_duration_since(Instant::now());
        told.push(Told::Virus(self.receiver.recv_timeout(left).unwrap_or(Answer::Silent)));
        told
    }
}
