//! One envelope weighed, check after check, as policyd-weight does it.

mod verdict;

use super::ahead::Ahead;
use super::caches::{Caches, Keep, Recall};
use super::config::Weights;
use super::identity::{
    Networks, address, are_bogus, helo_labels, holds_numbers, is_bogus, is_multipart, is_numeric, is_random, looks_like_line,
    looks_like_server, sender_label, share_a_label, without_extension,
};
use super::number::{rounded, shown};
use crate::dns::{Session, Trouble, Value};
use crate::facts::DnsType;
use crate::pattern::Pattern;
use std::net::IpAddr;
use verdict::is_passing;

/// What Postfix tells a policy server. The name is "unknown" where the mail server verified none.
#[derive(Clone, Debug)]
pub struct Request {
    pub ip: IpAddr,
    pub name: String,
    pub helo: String,
    pub sender: String,
    pub recipient: String,
}

/// The action in Postfix's words, and the weight where one was reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighed {
    pub action: String,
    pub rate: Option<f64>,
    /// What caches keep of it.
    pub keep: Keep,
}

impl Weighed {
    fn early(action: impl Into<String>) -> Weighed {
        Weighed { action: action.into(), rate: None, keep: Keep::Nothing }
    }
}

/// Ends the weighing: this is the answer.
type Step = Result<(), Weighed>;

struct Scales<'w> {
    weights: &'w Weights,
    session: &'w Session,
    ahead: Ahead,
    /// It passed before, and passes unless a list says otherwise.
    remembered: Option<String>,
    request: Request,
    /// In lower case.
    sender: String,
    domain: String,
    networks: Networks,
    /// What was found, each with its score.
    notes: String,
    rate: f64,
    /// Scores of lists that hit.
    listed: f64,
    hits: u32,
    errors_left: i64,
    helo: Helo,
    /// The client is an MX of its HELO or of the sender's domain.
    mx_ok: bool,
    is_sender_mx: bool,
    is_sender_address: bool,
    sender_addresses: String,
    mx_names: String,
    found_records: bool,
    bogus_penalty: Option<f64>,
    numeric: f64,
    squared: bool,
    check_reverse: bool,
    check_client: bool,
    dialup: bool,
    no_records: bool,
    names: Vec<String>,
    line_text: &'static str,
    relay_text: String,
    domain_text: String,
    penalty: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Helo {
    /// Not looked at, verified, failed.
    state: State,
    /// It leads into the neighbourhood alone.
    untrusted: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Verified,
    Failed,
}

impl Weights {
    /// Weighs one recipient's envelope; `now` is in seconds.
    pub async fn weigh(&self, session: &Session, request: &Request, caches: &Caches, now: u64) -> Weighed {
        let lower = |text: &str| text.to_lowercase();
        let request = Request {
            ip: crate::base::networks::unmap(request.ip),
            name: lower(&request.name),
            helo: lower(&request.helo),
            sender: lower(&request.sender),
            recipient: lower(&request.recipient),
        };
        if request.sender.is_empty() {
            return Weighed::early("DUNNO NULL (<>) Sender");
        }
        if request.recipient.starts_with("postmaster@") || request.recipient.starts_with("abuse@") {
            return Weighed::early(format!("DUNNO mail for {}", request.recipient));
        }
        let (sender, ip) = (without_extension(&request.sender), request.ip.to_string());
        let who = (ip.as_str(), sender.as_str(), request.sender.rsplit_once('@').map_or("", |(_, domain)| domain));
        let remembered = match caches.ask(self, who, now) {
            Recall::Refused(action) => return Weighed::early(action),
            Recall::Passes(rate) => return Weighed::early(self.passes_again(&rate)),
            Recall::PassesUnlessListed(rate) => Some(rate),
            Recall::Nothing => None,
        };
        let mut scales = Scales::new(self, session, request.clone());
        scales.remembered = remembered;
        let (Ok(weighed) | Err(weighed)) = scales.run().await;
        caches.keep(self, who, (weighed.keep, weighed.rate.unwrap_or_default()), now);
        weighed
    }

    fn passes_again(&self, rate: &str) -> String {
        format!("{} {}; {rate}", self.passes(), self.cached.word)
    }

    fn passes(&self) -> &'static str {
        if self.add_header { "PREPEND X-policyd-weight:" } else { "DUNNO " }
    }
}

impl<'w> Scales<'w> {
    fn new(weights: &'w Weights, session: &'w Session, request: Request) -> Scales<'w> {
        let sender = without_extension(&request.sender);
        let domain = sender.rsplit_once('@').map(|(_, domain)| domain.to_owned()).unwrap_or_default();
        let literal =
            |text: &str| text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).and_then(|ip| ip.parse().ok()) == Some(request.ip);
        let squared = literal(&request.helo);
        let helo = Helo { state: if squared { State::Verified } else { State::Open }, untrusted: false };
        Scales {
            weights,
            session,
            ahead: Ahead::default(),
            remembered: None,
            networks: Networks::new(request.ip),
            notes: String::new(),
            rate: 0.0,
            listed: 0.0,
            hits: 0,
            errors_left: weights.most_errors,
            helo,
            mx_ok: false,
            is_sender_mx: false,
            is_sender_address: false,
            sender_addresses: String::new(),
            mx_names: String::new(),
            found_records: false,
            bogus_penalty: None,
            numeric: 0.0,
            squared,
            check_reverse: false,
            check_client: false,
            dialup: false,
            no_records: false,
            names: Vec::new(),
            line_text: "",
            relay_text: String::new(),
            domain_text: String::new(),
            penalty: 0.0,
            sender,
            domain,
            request,
        }
    }

    async fn run(&mut self) -> Result<Weighed, Weighed> {
        let names = [&*self.domain, &*self.request.helo];
        self.ahead = Ahead::ask(self.session, self.weights, &self.networks.reversed, names, self.request.ip).await;
        self.lists().await?;
        let weights = self.weights;
        if weights.lists_only {
            return Ok(Weighed::early(format!("{} {} (only DNSBL check requested)", weights.passes(), self.notes)));
        }
        let covers = |pattern: &Option<Pattern>| pattern.as_ref().is_some_and(|pattern| pattern.is_match(self.request.name.as_bytes()));
        if let Some(at) = weights.lists_only_for.iter().position(covers) {
            let text = format!("{} {} (only DNSBL check requested (regex-nr: {}))", weights.passes(), self.notes, at + 1);
            return Ok(Weighed::early(text));
        }
        if let Some(rate) = self.remembered.take().filter(|_| weights.cached.passed > 0 && self.hits < 1) {
            return Ok(Weighed::early(weights.passes_again(&rate)));
        }
        self.names().await?;
        self.numeric();
        if !self.is_sender_mx {
            self.compare();
        }
        self.reverse_names().await;
        self.reverse();
        self.helo_line();
        self.anonymous();
        self.client_of_sender();
        self.sender_forms();
        self.domain_lists().await?;
        Ok(self.decide())
    }

    fn note(&mut self, name: &str, score: f64) {
        self.notes.push_str(&format!(" {name}={}", shown(score)));
        self.rate += score;
    }

    /// `None`: no answer. Counts errors; the last one that is allowed ends it.
    async fn ask(&mut self, name: &str, kind: DnsType, what: &str) -> Result<Option<Vec<Value>>, Weighed> {
        match self.ahead.look_up(self.session, name, kind).await {
            Ok(records) => Ok(Some(records.values.clone())),
            Err(Trouble::BadName) => Ok(Some(Vec::new())),
            Err(Trouble::Silent | Trouble::TooMany) => {
                self.errors_left -= 1;
                if self.errors_left <= 0 {
                    return Err(Weighed::early(format!("{} {} in {what}", self.weights.passes(), self.weights.texts.most_errors)));
                }
                Ok(None)
            }
        }
    }

    async fn lists(&mut self) -> Step {
        for (zone, hit, miss, name) in &self.weights.lists {
            let asked = format!("{}.{zone}", self.networks.reversed);
            let Some(records) = self.ask(&asked, DnsType::A, &format!("{zone} lookups")).await? else {
                self.notes.push_str(&format!(" {name}=ERR({})", shown(*miss)));
                self.rate += miss;
                continue;
            };
            // policyd-weight takes any answer for a listing; a refusal to answer is none.
            let counts = |value: &&Value| !matches!(value, Value::A(ip) if ip.octets()[..3] == [127, 255, 255]);
            if records.iter().any(|record| counts(&record)) {
                self.note(&format!("IN_{name}"), *hit);
                self.listed += hit;
                self.dialup |= name.to_lowercase().contains("dyn");
                if *hit > 0.0 {
                    self.hits += 1;
                    if f64::from(self.hits) > self.weights.most_hits || self.listed > self.weights.most_list_score {
                        let text = &self.weights.texts.most_hits;
                        let action = format!("{text}; check http://www.robtex.com/rbl/{}.html", self.networks.ip);
                        let keep = if is_passing(text) { Keep::Nothing } else { Keep::Client };
                        return Err(Weighed { action, rate: Some(self.rate), keep });
                    }
                }
            } else if *miss != 0.0 || !self.weights.log_bad_only {
                self.note(&format!("NOT_IN_{name}"), *miss);
            }
        }
        Ok(())
    }

    /// MX and addresses of the sender's domain and of HELO, and of the domains above them.
    async fn names(&mut self) -> Step {
        let mut found = false;
        if self.domain.parse() == Ok(self.request.ip) {
            self.sender_addresses.push_str(&format!(" {}", self.domain));
            self.helo.state = State::Verified;
            found = true;
        }
        let mut addresses = format!(" {}", self.request.helo);
        let mut bad_mx = Bad::default();
        let subjects = [(self.domain.clone(), true), (self.request.helo.clone(), false)];
        'all: for (subject, of_sender) in &subjects {
            let labels: Vec<&str> = subject.trim_end_matches('.').split('.').collect();
            for from in 0..labels.len().saturating_sub(1) {
                let name = labels[from..].join(".");
                if name.contains(['[', ']']) {
                    continue;
                }
                if self.name(&name, *of_sender, &mut found, &mut addresses, &mut bad_mx).await? && found {
                    break 'all;
                }
            }
            if found {
                break;
            }
        }
        self.helo_found(found, &addresses);
        Ok(())
    }

    /// One name; `false`: its MX could not be asked for.
    async fn name(
        &mut self,
        name: &str,
        of_sender: bool,
        found: &mut bool,
        addresses: &mut String,
        bad: &mut Bad,
    ) -> Result<bool, Weighed> {
        let word = if of_sender { "FROM" } else { "HELO" };
        let Some(records) = self.ask(name, DnsType::Mx, &format!("{word} MX lookups for {name}")).await? else { return Ok(false) };
        self.found_records = true;
        for exchange in records.iter().filter_map(|value| if let Value::Mx(_, host) = value { Some(host) } else { None }) {
            for kind in [DnsType::A, DnsType::Aaaa] {
                let Some(hosts) = self.ask(exchange, kind, &format!("{word} MX -> A lookups")).await? else { continue };
                for ip in hosts.iter().filter_map(ip_of) {
                    if of_sender {
                        self.mx_names.push_str(&format!(".{exchange} "));
                        self.sender_addresses.push_str(&format!(" {}", address(ip)));
                    }
                    addresses.push_str(&format!(" {}", address(ip)));
                    if ip == self.request.ip {
                        self.note(&format!("CL_IP_EQ_{word}_MX"), self.weights.scores.mx_eq_ip[1]);
                        *found = true;
                        self.is_sender_mx |= of_sender;
                        self.helo.state = State::Verified;
                        self.mx_ok = true;
                        break;
                    }
                }
            }
            if *found {
                break;
            }
        }
        bad.mx |= of_sender && are_bogus(&self.sender_addresses);
        if !*found {
            self.addresses(name, of_sender, found, addresses, bad).await?;
        }
        if bad.mx && !bad.scored {
            let score = self.weights.scores.bogus_mx[0] * self.listed;
            if score != 0.0 {
                self.note("BAD_MX", score);
                bad.scored = true;
            }
        }
        if of_sender && self.bogus_penalty.is_none() && are_bogus(&self.sender_addresses) {
            let score = self.weights.scores.bogus_mx[0] + self.listed;
            self.note("BOGUS_MX", score);
            self.bogus_penalty = Some(score);
        }
        Ok(true)
    }

    async fn addresses(&mut self, name: &str, of_sender: bool, found: &mut bool, addresses: &mut String, bad: &mut Bad) -> Step {
        let word = if of_sender { "FROM" } else { "HELO" };
        for kind in [DnsType::A, DnsType::Aaaa] {
            let Some(hosts) = self.ask(name, kind, &format!("{word} A lookup for {name}")).await? else { continue };
            for ip in hosts.iter().filter_map(ip_of) {
                let text = address(ip);
                if of_sender && !(self.weights.ignore_private && is_bogus(&text)) {
                    self.sender_addresses.push_str(&format!(" {text}"));
                }
                addresses.push_str(&format!(" {text}"));
                if ip == self.request.ip {
                    *found = true;
                    self.helo.state = State::Verified;
                    self.note(&format!("CL_IP_EQ_{word}_IP"), self.weights.scores.helo[1]);
                    bad.mx = false;
                    self.is_sender_address |= of_sender;
                    break;
                }
            }
        }
        Ok(())
    }

    fn helo_found(&mut self, found: bool, addresses: &str) {
        let scores = &self.weights.scores;
        if found {
            return;
        }
        if !self.found_records {
            self.note("NO_MX_A_RECS_FOUND", scores.helo[0] - 0.1);
            self.helo.state = State::Failed;
        } else if addresses.contains(&format!(" {}", self.networks.near)) {
            self.note("HELO_IP_IN_CL_SUBNET", scores.subnet[1]);
            self.helo.state = State::Verified;
        } else if addresses.contains(&format!(" {}", self.networks.far)) {
            self.note("HELO_IP_IN_CL16_SUBNET", scores.subnet16[1]);
            self.helo.untrusted = true;
            self.check_reverse = true;
        } else if self.helo.state != State::Verified && !self.squared {
            self.note("CL_IP_NE_HELO", scores.helo[0] + self.listed);
            self.helo.state = State::Failed;
        }
    }

    fn numeric(&mut self) {
        if is_numeric(&self.request.helo) {
            let score = self.weights.scores.numeric[0];
            self.numeric = rounded(score + score * self.listed);
            self.note("HELO_NUMERIC", self.numeric);
        }
    }

    /// The sender's domain against HELO.
    fn compare(&mut self) {
        let scores = &self.weights.scores;
        let from = sender_label(&self.domain);
        let (helo, label) = helo_labels(&self.request.helo);
        self.notes.push_str(&format!(" (check from: {from} - helo: {helo} - helo-domain: {label}) "));
        let alike = helo.contains(&from) || from.contains(&helo);
        let in_mx = self.mx_names.contains(&label);
        let named = self.request.name.contains(&from);
        let bogus = self.bogus_penalty.unwrap_or(0.0);
        let failed = scores.failed[0];
        match self.helo.state {
            State::Verified if alike || in_mx || self.sender_addresses.contains(&self.networks.ip) => {
                self.note("FROM/MX_MATCHES_HELO(DOMAIN)", scores.verified[1]);
            }
            State::Verified => {
                let score = rounded(scores.verified[0] + self.listed / 4.0 + bogus * bogus + self.numeric);
                self.note("FROM/MX_MATCHES_NOT_HELO(DOMAIN)", score);
                self.check_client = true;
            }
            State::Open | State::Failed if named && !self.squared => {
                self.note("CL_HOSTNAME_MATCHES_FROM(DOMAIN)", scores.subnet[1]);
                self.helo = Helo { state: State::Verified, untrusted: false };
                self.check_reverse = false;
                self.check_client = false;
            }
            State::Open | State::Failed if self.helo.untrusted && !self.squared && (alike || in_mx) => {
                self.note("FROM/MX_MATCHES_UNVR_HELO(DOMAIN)_OR_CL_NAME(DOMAIN)", scores.unverified[1]);
            }
            State::Open | State::Failed if self.helo.untrusted && !self.squared => {
                let score = scores.unverified[0] + self.listed + bogus * bogus;
                self.note("FROM/MX_MATCHES_NOT_UNVR_HELO(DOMAIN)_NOR_CL_NAME(DOMAIN)", score);
                self.check_client = true;
            }
            State::Open | State::Failed if alike => self.note("MAIL_SEEMS_FORGED", failed),
            State::Open | State::Failed => self.note("FROM_NOT_FAILED_HELO(DOMAIN)", failed + 0.5 + self.listed),
        }
    }

    async fn reverse_names(&mut self) {
        let question = crate::dns::name::reverse(self.request.ip);
        if let Ok(records) = self.ahead.look_up(self.session, &question, DnsType::Ptr).await {
            self.names = records.names().map(|name| name.trim_end_matches('.').to_lowercase()).collect();
        }
        if self.dialup || self.mx_ok {
            return;
        }
        for name in self.names.clone() {
            if looks_like_server(&name) {
                break;
            }
            if looks_like_line(&name) || holds_numbers(&self.request.helo) {
                let score = self.weights.scores.client_dialup[0];
                self.dialup = true;
                self.listed += score;
                self.note("CL_SEEMS_DIALUP", score);
                break;
            }
        }
    }

    fn reverse(&mut self) {
        let scores = &self.weights.scores;
        if !(self.helo.state != State::Verified && !self.helo.untrusted || self.check_reverse) {
            return;
        }
        let helo = self.request.helo.clone();
        let same = self.names.iter().find_map(|name| {
            if *name == helo { Some("REV_IP_EQ_HELO") } else { share_a_label(name, &helo).then_some("REV_IP_EQ_HELO_DOMAIN") }
        });
        if let Some(word) = same {
            self.note(word, scores.ip_eq_helo[1]);
        }
        if self.names.is_empty() && !self.found_records {
            self.note("NO_DNS_RECORDS", 0.5);
            self.no_records = true;
        }
        if same.is_none() && !self.squared {
            self.note("RESOLVED_IP_IS_NOT_HELO", scores.ip_eq_helo[0]);
        } else {
            self.helo.untrusted = matches!(self.request.name.as_str(), "" | "unknown");
        }
    }

    fn helo_line(&mut self) {
        let scores = &self.weights.scores;
        let helo = self.request.helo.clone();
        let asked = (scores.dyndns[0] != 0.0 || !self.dialup) && !self.mx_ok && !self.is_sender_address;
        if asked && !looks_like_server(&helo) && (looks_like_line(&helo) || holds_numbers(&helo)) {
            self.line_text = "; Please use DynDNS";
            if self.helo.state == State::Verified {
                self.note("HELO_SEEMS_DIALUP", scores.dialup[0] + scores.dyndns[0]);
            } else {
                self.note("NOK_HELO_SEEMS_DIALUP", scores.failed_dialup[0] + scores.dyndns[0]);
            }
        }
    }

    fn anonymous(&mut self) {
        if self.sender.contains("nobody@") || self.sender.contains("anonymous@") {
            self.note("FROM_NBDY_ANON", self.weights.scores.anonymous[0] + self.listed + self.numeric);
        }
    }

    fn client_of_sender(&mut self) {
        if self.mx_ok || !self.check_client || self.hits == 0 || self.squared || self.sender_addresses.contains(&self.networks.ip) {
            return;
        }
        let score = self.weights.scores.mx_eq_ip[0] + self.listed;
        self.relay_text = format!("; please relay via your ISP ({})", self.domain);
        self.note("CLIENT_NOT_MX/A_FROM_DOMAIN", score);
        if !self.sender_addresses.contains(&self.networks.near) {
            self.note("CLIENT/24_NOT_MX/A_FROM_DOMAIN", score);
        }
    }

    fn sender_forms(&mut self) {
        let scores = &self.weights.scores;
        if self.helo.state == State::Open && !self.mx_ok && self.rate < self.weights.reject_level && is_multipart(&self.sender) {
            self.note("FROM_MULTIPARTED", scores.multipart[0] + self.listed);
        }
        if self.rate < self.weights.reject_level && is_random(&self.sender) {
            self.note("RANDOM_SENDER", self.listed + self.listed * scores.random[0] + scores.random[0]);
            self.penalty = scores.domain_penalty[0] * scores.random[0];
        }
    }

    async fn domain_lists(&mut self) -> Step {
        if self.rate >= self.weights.reject_level {
            return Ok(());
        }
        if self.check_client || self.helo.untrusted || self.bogus_penalty.is_some() {
            self.penalty += self.weights.scores.domain_penalty[0];
        }
        for (zone, hit, _, name) in &self.weights.domain_lists {
            let asked = format!("{}.{zone}", self.domain);
            let Some(records) = self.ask(&asked, DnsType::A, &format!("{zone} lookups")).await? else { continue };
            if !records.is_empty() {
                let score = rounded(hit + self.penalty + self.listed / 2.0);
                self.note(&format!("IN_{name}"), score);
                self.rate = rounded(self.rate);
                self.domain_text.push_str(&format!("; in {zone}"));
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Bad {
    mx: bool,
    scored: bool,
}

fn ip_of(value: &Value) -> Option<IpAddr> {
    match value {
        Value::A(v4) => Some(IpAddr::V4(*v4)),
        Value::Aaaa(v6) => Some(IpAddr::V6(*v6)),
        Value::Mx(..) | Value::Name(_) | Value::Txt(_) => None,
    }
}
