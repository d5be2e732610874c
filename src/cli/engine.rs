//! Options that several commands share: which rules, and what they may ask.

use super::dns::DnsArgs;
use crate::auth::Verifier;
use crate::base::{Clock, Complaint, Severity};
use crate::lists::{self, Board, Guard};
use crate::mail::Wanted;
use crate::rules::engine::Program;
use crate::rules::{self, RuleSet};
use crate::scan::{Antivirus, Engine, Network, classifier};
use crate::service::config::RuleSettings;
use crate::service::{Config, learning, rule_files, state};
use crate::virus::Scanner;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Clone, Debug, Default, clap::Args)]
pub struct RuleArgs {
    /// SpamAssassin rules in place of the built-in ones: a folder or a file; may be given several times, later ones win.
    #[arg(long, value_name = "PATH")]
    pub rules: Vec<PathBuf>,
    /// Rules beside the built-in ones.
    #[arg(long, value_name = "PATH")]
    pub rules_add: Vec<PathBuf>,
    /// Ask the network nothing.
    #[arg(long)]
    pub local: bool,
    /// Do not ask the Bayes classifier.
    #[arg(long)]
    pub no_bayes: bool,
    /// Where state lives, in place of /var/lib/hamgate: what the classifier learned.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Whose classifier is asked beside the site's (per_user in [learn]), in place of the recipients'.
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    #[command(flatten)]
    pub dns: DnsArgs,
}

impl RuleArgs {
    /// As `engine`, with the classifier, where it learned something; where it shall learn, with an empty one too. And with
    /// the antivirus daemon, where one is configured.
    ///
    /// # Errors
    /// No rules, a state folder that cannot be made, a map of users that cannot be used, or servers that cannot be asked.
    pub fn engine_with(&self, config: &Config, access: classifier::Access) -> Result<Engine, Vec<Complaint>> {
        let scanner = Scanner::new(&config.virus).map_err(|what| {
            vec![Complaint {
                severity: Severity::Error,
                place: None,
                what: format!("servers in [virus]: {what}"),
                remedy: "correct it, or leave it out".into(),
            }]
        })?;
        let engine = self.engine_asking(scanner.map(Arc::new)).map_err(|complaint| vec![complaint])?;
        if self.no_bayes {
            return Ok(engine);
        }
        let folder = state::folder(self.state.as_deref());
        if access == classifier::Access::Keep && config.bayes.store.is_empty() {
            state::make(&folder).map_err(|error| {
                let (what, remedy) = (format!("{}: {error}", folder.display()), "name another with --state".to_owned());
                vec![Complaint { severity: Severity::Error, place: None, what, remedy }]
            })?;
        }
        let judge = classifier::Judge::new(&config.bayes, &folder, access, &engine.program.set.options);
        let judge = Arc::new(learning::with_users(judge, config, self.user.as_deref())?);
        Ok(if judge.classifier().is_some() { engine.with_classifier(&judge) } else { engine })
    }

    /// Loads the rules. Mistakes that cost a line alone are left to `check`; the error is one that leaves no rules.
    pub fn engine(&self) -> Result<Engine, Complaint> {
        self.engine_asking(None)
    }

    fn engine_asking(&self, scanner: Option<Arc<Scanner>>) -> Result<Engine, Complaint> {
        // What the configuration names may be missing; what was typed must be there.
        if let Some(path) = self.rules.iter().chain(&self.rules_add).find(|path| !path.exists()) {
            return Err(Complaint {
                severity: Severity::Error,
                place: None,
                what: format!("{} does not exist", path.display()),
                remedy: "give a folder or file of SpamAssassin rules".into(),
            });
        }
        let (only, add) = (self.rules.clone(), self.rules_add.clone());
        let (set, complaints) = rule_files::load(&RuleSettings { only, add, local: self.local, observe: Vec::new() });
        match complaints.into_iter().find(|complaint| complaint.severity == Severity::Error) {
            Some(error) => Err(error),
            None if self.local => Ok(Engine::local(Program::new(set))),
            None => {
                let network = self.network(&set).map_err(|what| Complaint {
                    severity: Severity::Error,
                    place: None,
                    what,
                    remedy: "correct it, or ask nothing (--local)".into(),
                })?;
                let wanted = Wanted { readings: scanner.is_some(), ..Wanted::default() };
                let gather = Antivirus { scanner, others: Arc::new(network) };
                Ok(Engine { gather: Some(Arc::new(gather)), network: true, wanted, ..Engine::local(Program::new(set)) })
            }
        }
    }

    fn network(&self, set: &RuleSet) -> Result<Network, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|e| e.to_string())?;
        let (resolver, server) = runtime.block_on(self.dns.resolver(crate::dns::Settings::default()))?;
        let handle = runtime.handle().clone();
        let board = Board::new(rules::engine::dns::zones(set).iter().map(String::as_str));
        let patience = rules::engine::dns::patience(set);
        let guard = Guard::new(board, resolver.clone(), &lists::Settings::default(), patience).for_files();
        Ok(Network::new(resolver, Verifier::new("unknown", &[]), guard, Clock::System, handle).keeping((server, runtime)))
    }
}
