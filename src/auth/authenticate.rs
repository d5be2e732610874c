//! All questions about one message, asked together: SPF of both identities, DKIM, ARC, then DMARC over the answers.

use super::letter::Letter;
use super::spf::Envelope;
use super::{arc, author, dkim, dmarc, domain, spf};
use crate::dns::Session;
use crate::facts::{Authentication, Outsider, Spf, SpfResult};

/// What stays the same from message to message.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    /// Our own name, for SPF explanations.
    pub receiver: String,
    /// `d=` of seals that count, in A-labels.
    pub trusted_sealers: Vec<String>,
}

impl Verifier {
    pub fn new(receiver: &str, trusted_sealers: &[String]) -> Verifier {
        Verifier { receiver: receiver.to_owned(), trusted_sealers: trusted_sealers.iter().filter_map(|d| domain::host(d)).collect() }
    }

    /// `sent`: the bytes as they came (`Mail::as_sent`). `outsider`: the last relay that is not ours; without one SPF has
    /// nobody to ask about. `now`: seconds since 1970.
    pub async fn authenticate(&self, session: &Session, sent: &[u8], outsider: Option<&Outsider>, now: u64) -> Authentication {
        let letter = Letter::parse(sent);
        let author = author::domain_of(&letter);
        let (spf, dkim, arc) =
            tokio::join!(self.spf(session, outsider, now), dkim::verify(session, &letter, now), arc::verify(session, &letter, now));
        let (spf_mail_from, spf_helo) = spf;
        let dmarc = dmarc::evaluate(session, author.as_deref().map_err(|reason| *reason), &spf_mail_from, &dkim).await;
        let trusted_sealer = arc.sealer.filter(|sealer| self.trusted_sealers.contains(sealer));
        Authentication { spf_mail_from, spf_helo, dkim, dmarc, arc: arc.result, trusted_sealer }
    }

    /// MAIL FROM and HELO.
    async fn spf(&self, session: &Session, outsider: Option<&Outsider>, now: u64) -> (Spf, Spf) {
        let Some(outsider) = outsider else {
            let nobody = Spf { domain: String::new(), result: SpfResult::None, reason: "no client outside".to_owned() };
            return (nobody.clone(), nobody);
        };
        let envelope = Envelope { ip: outsider.ip, helo: &outsider.helo, mail_from: &outsider.mail_from, receiver: &self.receiver, now };
        let (helo, mail_from) = tokio::join!(spf::check_helo(session, envelope), async {
            // The null sender is answered by HELO (RFC 7208 §2.4): no second round.
            if outsider.mail_from.is_empty() { None } else { Some(spf::check_mail_from(session, envelope).await) }
        });
        let helo = helo.1.fact(&helo.0);
        let mail_from = mail_from.map_or_else(|| helo.clone(), |(domain, outcome)| outcome.fact(&domain));
        (mail_from, helo)
    }
}
