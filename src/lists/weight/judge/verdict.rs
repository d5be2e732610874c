//! What is answered once all was weighed, and what is remembered of it.

use super::{Keep, Scales, State, Weighed, rounded, shown};

impl Scales<'_> {
    pub(super) fn decide(&self) -> Weighed {
        let texts = &self.weights.texts;
        let rate = rounded(self.rate);
        let (helo, ip) = (&self.request.helo, &self.networks.ip);
        if self.no_records && self.hits < 2 {
            let action = format!("{} Your HELO: {helo}, IP: {ip}", texts.dns_error);
            return Weighed { action, rate: Some(rate), keep: Keep::Nothing };
        }
        if rate < self.weights.reject_level {
            let action = format!("{} {}; rate: {}", self.weights.passes(), self.notes, shown(rate));
            return Weighed { action, rate: Some(rate), keep: if self.hits < 1 { Keep::Pass } else { Keep::Nothing } };
        }
        let mut action = texts.reject.clone();
        let is_known = self.hits >= 1 || self.dialup || self.helo.state != State::Verified;
        let mut keep = if is_known { Keep::Client } else { Keep::ClientAndSender };
        let defers = self.weights.defer_strings.iter().any(|word| self.notes.contains(&format!(" {word}")));
        if rate < self.weights.defer_level && defers {
            keep = Keep::Nothing;
            if let Some((_, rest)) = action.split_once(' ') {
                action = format!("{} {rest}", texts.defer_action);
            }
        }
        if is_passing(&action) || self.errors_left <= 0 {
            keep = Keep::Nothing;
        }
        if self.helo.state != State::Verified && !self.helo.untrusted {
            action.push_str(&format!("; MTA helo: {helo}, MTA hostname: {}[{ip}] (helo/hostname mismatch)", self.request.name));
        }
        for more in [&self.domain_text, &self.relay_text, self.line_text] {
            action.push_str(more);
        }
        Weighed { action, rate: Some(rate), keep }
    }
}

/// An answer that is not for good.
pub(super) fn is_passing(action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    action.trim_start().starts_with('4') || action.starts_with("defer") || action.starts_with("rc:")
}
