//! All questions about one message, asked together: SPF of both identities, DKIM, ARC, then DMARC over the answers.

use super::letter::Letter;
use super::spf::Envelope;
use super::{arc, author, dkim, dmarc, domain, spf};
use crate::dns::Session;
use crate::facts::{Authentication, Outsider, Spf, SpfResult};
use crate::mail::{Arrival, HeaderQuery, Reading};

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
        let nobody = |reason: &str| Spf { domain: String::new(), result: SpfResult::None, reason: reason.to_owned() };
        let Some(outsider) = outsider else { return (nobody("no client outside"), nobody("no client outside")) };
        let sender = outsider.mail_from.as_deref();
        let envelope = Envelope { ip: outsider.ip, helo: &outsider.helo, mail_from: sender.unwrap_or(""), receiver: &self.receiver, now };
        let (helo, mail_from) = tokio::join!(spf::check_helo(session, envelope), async {
            match sender {
                None => Some((String::new(), nobody("the envelope sender is not known"))),
                // The null sender is answered by HELO (RFC 7208 §2.4): no second round.
                Some("") => None,
                Some(_) => {
                    let (domain, outcome) = spf::check_mail_from(session, envelope).await;
                    let fact = outcome.fact(&domain);
                    Some((domain, fact))
                }
            }
        });
        let helo = helo.1.fact(&helo.0);
        let mail_from = mail_from.map_or_else(|| helo.clone(), |(_, fact)| fact);
        (mail_from, helo)
    }
}

/// The last relay that is not ours (`internal_networks`), which all questions are about: mail may have come through our
/// own backup exchanger or forwarder. `None`: the message never left our networks, or came with a login.
pub fn outsider(reading: &Reading<'_>) -> Option<Outsider> {
    let live = match reading.arrival {
        Arrival::Live(live) => Some(&**live),
        Arrival::Sender(_) | Arrival::FromFields => None,
    };
    if let Some((client, envelope)) = live
        && let Some(ip) = client.ip
        && (!client.login.is_empty() || !reading.options.internal.contains(ip))
    {
        let outsider = Outsider { ip, helo: client.helo.clone(), mail_from: Some(envelope.mail_from.clone()) };
        return Some(outsider).filter(|_| client.login.is_empty());
    }
    let relays = reading.relays();
    let relay = relays.external.first().and_then(|at| relays.all.get(*at))?;
    let mail_from = relay.envfrom.clone().or_else(|| reading.arrival.sender().map(str::to_owned)).or_else(|| field_sender(reading));
    Some(Outsider { ip: relay.ip?, helo: relay.helo.clone(), mail_from })
}

/// The envelope sender as a delivered message tells it. A trusted relay may have changed it on the way
/// (Mail::SpamAssassin::Plugin::SPF leaves it alone then, unless `always_trust_envelope_sender`).
fn field_sender(reading: &Reading<'_>) -> Option<String> {
    if !reading.relays().trusted.is_empty() && !reading.options.always_trust_envelope_sender {
        return None;
    }
    let query = HeaderQuery::parse("EnvelopeFrom:addr").ok()?;
    reading.header(&query).map(|text| String::from_utf8_lossy(text.trim_ascii()).into_owned())
}
