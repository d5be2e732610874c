//! Authentication as the daemon carries it out: asked once a message, written, acted on, and our own mail signed.

use super::config::Config;
use super::daemon::Wishes;
use crate::auth::sign::Signing;
use crate::auth::{self, Effects, Verifier};
use crate::base::{Clock, Complaint, NetSet, Severity};
use crate::dns::Resolver;
use crate::facts::{ArcResult, Authentication, Outsider};
use crate::mail::{Arrival, Client, Envelope, Mail, Reading, ViewOptions};
use crate::outcome::{Action, Edit};

pub struct Desk {
    pub resolver: Resolver,
    pub verifier: Verifier,
    effects: Effects,
    signing: Signing,
    /// Hosts whose mail is signed, and private networks: no stranger comes from there.
    ours: NetSet,
    clock: Clock,
}

/// Addresses that no host on the Internet has (RFC 1918, 3927, 4193, 4291, 6598), as SpamAssassin takes them where no network
/// is configured.
const PRIVATE: &[&str] =
    &["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "::1", "fe80::/10", "fc00::/7"];

impl Desk {
    /// # Errors
    /// Mistakes in `[dns]`, `[auth]` or `[dkim]`, among them every key that cannot be used: mail of its domain would go out
    /// unsigned.
    pub fn build(config: &Config, wishes: &Wishes) -> Result<(Desk, Vec<Complaint>), Vec<Complaint>> {
        let (mut dns, mut settings) = (config.dns.clone(), config.auth.clone());
        if let Some(server) = wishes.nameserver {
            dns.name_servers = vec![server.to_string()];
        }
        if let Some(id) = &wishes.authserv_id {
            settings.authserv_id.clone_from(id);
        }
        let (effects, mut complaints) = Effects::load(&settings);
        let (signing, of_keys) = Signing::load(&config.dkim);
        complaints.extend(of_keys);
        complaints.extend(unsealable(&settings, &signing));
        let resolver = Resolver::new(&dns).map_err(|what| {
            vec![Complaint { severity: Severity::Error, place: None, what, remedy: "correct name_servers in [dns]".to_owned() }]
        })?;
        if complaints.iter().any(|complaint| complaint.severity == Severity::Error) {
            return Err(complaints);
        }
        let mut ours = signing.internal.clone();
        for network in PRIVATE {
            // Each is well formed.
            let _ = ours.add(network);
        }
        let verifier = Verifier::new(&settings.authserv_id, &settings.trusted_sealers);
        Ok((Desk { resolver, verifier, effects, signing, ours, clock: Clock::System }, complaints))
    }

    /// The last relay that is not ours; hosts whose mail is signed are ours.
    pub fn outsider(&self, mail: &Mail, arrival: &Arrival) -> Option<Outsider> {
        let options =
            ViewOptions { internal: self.ours.clone(), trusted: self.ours.clone(), networks_configured: true, ..ViewOptions::default() };
        auth::outsider(&Reading::new(mail, arrival, &options))
    }

    /// Asks the network; blocks. `None` where there is no stranger to ask about.
    pub fn ask(&self, runtime: &tokio::runtime::Handle, sent: &[u8], outsider: Option<&Outsider>) -> Option<Authentication> {
        outsider?;
        let session = self.resolver.session();
        Some(runtime.block_on(self.verifier.authenticate(&session, sent, outsider, self.clock.unix())))
    }

    /// A refusal that the operator asked for.
    pub fn action(&self, sent: &[u8], client: &Client, outsider: Option<&Outsider>, facts: &Authentication) -> Option<Action> {
        self.effects.action(sent, client, outsider, facts)
    }

    /// Removals, the highest occurrence first, then our fields.
    pub fn edits(&self, sent: &[u8], envelope: &Envelope, outsider: Option<&Outsider>, facts: Option<&Authentication>) -> Vec<Edit> {
        self.effects.edits(sent, &envelope.server, outsider, facts)
    }

    /// Signatures over the message as it will leave. The reason why there is none goes to the log at debug level.
    pub fn signatures(&self, leaving: &[u8], client: &Client) -> Vec<Edit> {
        match self.signing.edits(leaving, client, self.clock.unix()) {
            Ok(edits) => edits,
            Err(why) => {
                tracing::debug!(why, "not signed");
                Vec::new()
            }
        }
    }

    /// The ARC set for mail of a stranger that passes through, where sealing is switched on.
    pub fn seal(
        &self,
        leaving: impl Fn() -> Vec<u8>,
        envelope: &Envelope,
        outsider: Option<&Outsider>,
        facts: Option<&Authentication>,
    ) -> Vec<Edit> {
        let Some((domain, results)) = self.effects.to_seal(&envelope.server, outsider, facts) else { return Vec::new() };
        let chain = facts.map_or(ArcResult::None, |facts| facts.arc);
        self.signing.seal(&leaving(), domain, chain, &results, self.clock.unix()).unwrap_or_else(|why| {
            tracing::warn!(why, "not sealed");
            Vec::new()
        })
    }
}

/// Sealing without a key would be noticed only by those who miss the seal.
fn unsealable(settings: &auth::Settings, signing: &Signing) -> Option<Complaint> {
    let domain = Some(&settings.seal).filter(|domain| !domain.is_empty() && !signing.can_seal(domain))?;
    Some(Complaint {
        severity: Severity::Error,
        place: None,
        what: format!("seal = \"{domain}\" in [auth], and no key of [dkim] signs for that domain"),
        remedy: "make one with: hamgate dkim keygen, or take the line out".to_owned(),
    })
}
