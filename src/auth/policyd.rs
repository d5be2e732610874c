//! `policyd-spf.conf`, read as it is, and what it makes of SPF results (policyd-spf.conf(5)).

use super::domain;
use crate::base::{Complaint, NetSet, Place, Severity};
use crate::facts::{Spf, SpfResult};
use crate::outcome::Reply;
use std::net::IpAddr;
use std::path::Path;

/// From which result on an identity is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refuse {
    /// Only `fail`.
    Fail,
    /// `softfail` too.
    SoftFail,
    /// Everything but pass and none (and temperror, which has its own switch).
    NotPass,
    /// `fail` for the null sender alone.
    Null,
    /// Never, but the result is told.
    Never,
    /// Not even asked.
    NoCheck,
}

#[derive(Clone, Debug)]
pub struct Policyd {
    pub helo: Refuse,
    pub mail_from: Refuse,
    /// Domains whose mail is refused unless SPF passes.
    pub not_pass_domains: Vec<String>,
    pub defer_on_temperror: bool,
    pub refuse_permerror: bool,
    /// Networks that are not checked.
    pub skip: NetSet,
    /// Relays (secondary exchangers, forwarders) that are not checked.
    pub welcome: NetSet,
    /// Only tell, never refuse.
    pub test_only: bool,
}

impl Default for Policyd {
    fn default() -> Self {
        let mut skip = NetSet::default();
        for net in ["127.0.0.0/8", "::1"] {
            let _ = skip.add(net);
        }
        Policyd {
            helo: Refuse::Fail,
            mail_from: Refuse::Fail,
            not_pass_domains: Vec::new(),
            defer_on_temperror: false,
            refuse_permerror: false,
            skip,
            welcome: NetSet::default(),
            test_only: false,
        }
    }
}

/// Reads a file; lines that change nothing here are noted.
pub fn read(path: &Path) -> Result<(Policyd, Vec<Complaint>), Complaint> {
    let place = |line| Some(Place { file: path.display().to_string().into(), line });
    let text = std::fs::read_to_string(path).map_err(|error| Complaint {
        severity: Severity::Error,
        place: place(0),
        what: format!("cannot be read: {error}"),
        remedy: "check path and permissions".to_owned(),
    })?;
    let (policyd, notes) = parse(&text);
    let notes = notes
        .into_iter()
        .map(|(line, severity, what, remedy)| Complaint { severity, place: place(line), what, remedy: remedy.to_owned() })
        .collect();
    Ok((policyd, notes))
}

type Note = (u32, Severity, String, &'static str);

/// `name = value`, as the manual page describes them.
pub fn parse(text: &str) -> (Policyd, Vec<Note>) {
    let mut policyd = Policyd::default();
    let mut notes = Vec::new();
    for (number, line) in (1u32..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or("").trim();
        let Some((name, value)) = line.split_once('=').map(|(n, v)| (n.trim(), v.trim())) else {
            if !line.is_empty() {
                notes.push((number, Severity::Warning, format!("\"{line}\" is no setting"), "write NAME = VALUE"));
            }
            continue;
        };
        if let Err((severity, what, remedy)) = policyd.set(name, value) {
            notes.push((number, severity, what, remedy));
        }
    }
    (policyd, notes)
}

impl Policyd {
    fn set(&mut self, name: &str, value: &str) -> Result<(), (Severity, String, &'static str)> {
        let unknown = || (Severity::Warning, format!("{name} = {value}"), "see policyd-spf.conf(5) for its values");
        let yes = || match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(true),
            "false" | "no" | "0" => Ok(false),
            _ => Err(unknown()),
        };
        match name {
            "HELO_reject" => self.helo = refuse(value).ok_or_else(unknown)?,
            "Mail_From_reject" => self.mail_from = refuse(value).ok_or_else(unknown)?,
            "Reject_Not_Pass_Domains" => {
                self.not_pass_domains = value.split(',').filter_map(|name| domain::host(name.trim())).collect();
            }
            "TempError_Defer" => self.defer_on_temperror = yes()?,
            "PermError_reject" => self.refuse_permerror = yes()?,
            "skip_addresses" => {
                self.skip = networks(value).map_err(|what| (Severity::Warning, what, "give networks, divided by commas"))?
            }
            "Whitelist" | "HELO_Whitelist" | "Domain_Whitelist" | "Domain_Whitelist_PTR" if value.is_empty() => {}
            "Whitelist" => self.welcome = networks(value).map_err(|what| (Severity::Warning, what, "give networks, divided by commas"))?,
            "TestOnly" | "defaultSeedOnly" => self.test_only = !(yes()?),
            "debugLevel"
            | "Header_Type"
            | "Hide_Receiver"
            | "Authserv_Id"
            | "Lookup_Time"
            | "Whitelist_Lookup_Time"
            | "Void_Limit"
            | "Mock"
            | "Prospective"
            | "No_Mail"
            | "SPF_Enhanced_Status_Codes"
            | "Reason_Message" => {
                return Err((Severity::Note, format!("{name} has no effect"), "Hamgate keeps the limits of RFC 7208 and logs by [log]"));
            }
            _ => return Err((Severity::Note, format!("{name} is not known"), "Hamgate has no such setting")),
        }
        Ok(())
    }

    /// What to answer; `None`: go on.
    pub fn judge(&self, client: IpAddr, sender: &str, helo: &Spf, mail_from: &Spf) -> Option<Reply> {
        if self.skip.contains(client) || self.welcome.contains(client) || self.test_only {
            return None;
        }
        self.one(self.helo, sender, helo, "HELO").or_else(|| self.one(self.mail_from, sender, mail_from, "MAIL FROM"))
    }

    fn one(&self, refuse: Refuse, sender: &str, spf: &Spf, identity: &str) -> Option<Reply> {
        let listed = self.not_pass_domains.contains(&spf.domain) && spf.result != SpfResult::Pass;
        let refused = match (refuse, spf.result) {
            (Refuse::NoCheck, _) | (_, SpfResult::Pass) => false,
            (_, SpfResult::TempError) => {
                let text = format!("SPF of the {identity} domain got no answer, please try again");
                return self.defer_on_temperror.then(|| Reply { code: 451, status: "4.4.3".to_owned(), text });
            }
            (_, SpfResult::PermError) => self.refuse_permerror || refuse == Refuse::NotPass,
            (Refuse::Null, SpfResult::Fail) => sender.is_empty(),
            (Refuse::Fail | Refuse::SoftFail | Refuse::NotPass, SpfResult::Fail) => true,
            (Refuse::SoftFail | Refuse::NotPass, SpfResult::SoftFail) => true,
            (Refuse::NotPass, SpfResult::Neutral) => true,
            (Refuse::Never, _) | (_, SpfResult::None | SpfResult::Neutral | SpfResult::SoftFail) => false,
        };
        // RFC 7372 §3.2: 5.7.23 is the status of an SPF failure.
        (refused || listed && refuse != Refuse::NoCheck).then(|| Reply {
            code: 550,
            status: "5.7.23".to_owned(),
            text: format!("SPF of the {identity} domain does not allow this client"),
        })
    }
}

fn refuse(value: &str) -> Option<Refuse> {
    Some(match value.to_ascii_lowercase().as_str() {
        "fail" => Refuse::Fail,
        "softfail" => Refuse::SoftFail,
        "spf_not_pass" => Refuse::NotPass,
        "null" => Refuse::Null,
        "false" => Refuse::Never,
        "no_check" => Refuse::NoCheck,
        _ => return None,
    })
}

fn networks(list: &str) -> Result<NetSet, String> {
    let mut set = NetSet::default();
    for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        // The file writes IPv6 as 2001:db8:://32 where an address ends in "::".
        set.add(&word.replace(":://", "::/").replace("//", "/"))?;
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(conf: &str, sender: &str, helo: SpfResult, mail_from: SpfResult) -> u16 {
        let (policyd, _) = parse(conf);
        let spf = |result| Spf { domain: "example.org".to_owned(), result, reason: String::new() };
        policyd.judge("192.0.2.1".parse().unwrap(), sender, &spf(helo), &spf(mail_from)).map_or(0, |reply| reply.code)
    }

    #[test]
    fn a_policyd_file_means_what_it_meant() {
        use SpfResult as S;
        for (conf, sender, helo, mail_from, code) in [
            ("", "a@example.org", S::None, S::Pass, 0),
            ("", "a@example.org", S::None, S::Fail, 550),
            ("", "a@example.org", S::Fail, S::Pass, 550),
            ("", "a@example.org", S::SoftFail, S::SoftFail, 0),
            ("", "a@example.org", S::PermError, S::PermError, 0),
            ("", "a@example.org", S::TempError, S::TempError, 0),
            ("Mail_From_reject = Softfail", "a@example.org", S::None, S::SoftFail, 550),
            ("Mail_From_reject = SPF_Not_Pass", "a@example.org", S::None, S::Neutral, 550),
            ("Mail_From_reject = SPF_Not_Pass", "a@example.org", S::None, S::None, 0),
            ("Mail_From_reject = False", "a@example.org", S::None, S::Fail, 0),
            ("Mail_From_reject = No_Check", "a@example.org", S::None, S::Fail, 0),
            ("HELO_reject = False", "a@example.org", S::Fail, S::Pass, 0),
            ("HELO_reject = No_Check", "a@example.org", S::Fail, S::Pass, 0),
            ("HELO_reject = Null", "a@example.org", S::Fail, S::Pass, 0),
            ("HELO_reject = Null", "", S::Fail, S::None, 550),
            ("TempError_Defer = True", "a@example.org", S::None, S::TempError, 451),
            ("PermError_reject = True", "a@example.org", S::None, S::PermError, 550),
            ("Reject_Not_Pass_Domains = example.org", "a@example.org", S::None, S::Neutral, 550),
            ("Reject_Not_Pass_Domains = example.net", "a@example.org", S::None, S::Neutral, 0),
            ("Mail_From_reject = False\nReject_Not_Pass_Domains = example.org", "a@example.org", S::Pass, S::SoftFail, 550),
            ("skip_addresses = 192.0.2.0/24", "a@example.org", S::Fail, S::Fail, 0),
            ("Whitelist = 192.0.2.1", "a@example.org", S::Fail, S::Fail, 0),
            ("skip_addresses = 127.0.0.0/8,::ffff:127.0.0.0//104,::1//128", "a@example.org", S::Fail, S::Pass, 550),
            ("TestOnly = 0", "a@example.org", S::Fail, S::Fail, 0),
            ("TestOnly = 1", "a@example.org", S::Fail, S::Fail, 550),
        ] {
            assert_eq!(judged(conf, sender, helo, mail_from), code, "{conf} {sender} {helo:?} {mail_from:?}");
        }
    }

    #[test]
    fn lines_without_effect_are_noted() {
        let (_, notes) = parse("debugLevel = 1\nodd line\nHELO_reject = Perhaps\n# comment\nNew_Thing = 1\n");
        assert_eq!(notes.iter().map(|note| note.0).collect::<Vec<_>>(), [1, 2, 3, 5]);
    }
}
