//! Macros by stage: which are asked for, and what the mail server said.

use indymilter::MacroStage;
use std::collections::BTreeMap;
use std::ffi::CString;

/// Octets of macros kept for one connection.
const MOST: usize = 64 * 1024;

/// What is asked for where the mail server lets us ask (SMFIF_SETSYMLIST), in place of what its configuration lists.
const WANTED: &[(MacroStage, &str)] = &[
    (
        MacroStage::Connect,
        "j v _ {daemon_name} {daemon_addr} {daemon_port} {if_name} {if_addr} {client_addr} {client_name} {client_ptr} {client_port} \
         {client_resolve} {client_connections}",
    ),
    (MacroStage::Helo, "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer} {verify}"),
    (
        MacroStage::Mail,
        "i {auth_authen} {auth_type} {auth_author} {auth_ssf} {mail_addr} {mail_host} {mail_mailer} {tls_version} {cipher} \
         {cipher_bits} {cert_subject} {cert_issuer} {verify}",
    ),
    (MacroStage::Rcpt, "i {rcpt_addr} {rcpt_host} {rcpt_mailer}"),
    (MacroStage::Data, "i"),
    (MacroStage::Eoh, "i"),
    (MacroStage::Eom, "i {auth_authen}"),
];

/// The macro lists for the negotiation.
pub fn wanted() -> impl Iterator<Item = (MacroStage, CString)> {
    WANTED.iter().filter_map(|(stage, names)| {
        let names: Vec<&str> = names.split_whitespace().collect();
        CString::new(names.join(" ")).ok().map(|list| (*stage, list))
    })
}

/// The macros of one connection. Names stand without braces.
#[derive(Debug, Default)]
pub struct Macros {
    stages: BTreeMap<MacroStage, BTreeMap<String, String>>,
    octets: usize,
}

impl Macros {
    /// Takes the place of what the stage had. Beyond the limit, what does not fit is left out.
    pub fn tell(&mut self, stage: MacroStage, pairs: &[CString]) {
        self.forget(stage);
        let mut told = BTreeMap::new();
        for pair in pairs.chunks_exact(2) {
            let [name, value] = pair else { continue };
            self.octets += name.as_bytes().len() + value.as_bytes().len();
            if self.octets > MOST {
                break;
            }
            let name = String::from_utf8_lossy(name.as_bytes());
            let name = name.trim_start_matches('{').trim_end_matches('}').to_owned();
            told.insert(name, String::from_utf8_lossy(value.as_bytes()).into_owned());
        }
        self.stages.insert(stage, told);
    }

    fn forget(&mut self, stage: MacroStage) {
        if let Some(old) = self.stages.remove(&stage) {
            let octets: usize = old.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
            self.octets = self.octets.saturating_sub(octets);
        }
    }

    /// A new message begins; `stage` and what follows it belong to the one before.
    pub fn forget_from(&mut self, stage: MacroStage) {
        for later in MacroStage::all().filter(|other| *other >= stage) {
            self.forget(later);
        }
    }

    /// The value of the latest stage that told it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.stages.values().rev().find_map(|told| told.get(name)).map(String::as_str)
    }

    /// All of them, later stages over earlier ones.
    pub fn all(&self) -> BTreeMap<String, String> {
        self.stages.values().flat_map(|told| told.iter().map(|(name, value)| (name.clone(), value.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(texts: &[&str]) -> Vec<CString> {
        texts.iter().map(|text| CString::new(*text).unwrap()).collect()
    }

    #[test]
    fn a_later_stage_knows_better_and_a_new_message_forgets() {
        let mut macros = Macros::default();
        macros.tell(MacroStage::Connect, &pairs(&["j", "mx.example", "{client_port}", "25"]));
        macros.tell(MacroStage::Mail, &pairs(&["i", "A1", "odd"]));
        macros.tell(MacroStage::Eom, &pairs(&["i", "A2"]));
        assert_eq!((macros.get("i"), macros.get("client_port")), (Some("A2"), Some("25")));
        macros.forget_from(MacroStage::Mail);
        assert_eq!((macros.get("i"), macros.get("j")), (None, Some("mx.example")));
    }

    #[test]
    fn macros_do_not_grow_without_end() {
        let mut macros = Macros::default();
        let long = "x".repeat(40_000);
        for round in 0..100 {
            macros.tell(MacroStage::Mail, &pairs(&["a", &long, "b", &long, &format!("c{round}"), "short"]));
        }
        assert!(macros.all().values().map(String::len).sum::<usize>() <= MOST);
    }
}
