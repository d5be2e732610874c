//! `hamgate.toml`: each room's section, put together; every mistake with its line and what to do about it.

use crate::base::settings::{Mistake, Section, read, sample, unknown, value};
use crate::base::{Complaint, Place, Severity};
use crate::lists::List;
use crate::pace::Limit;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// Where the configuration stands unless `--config` says otherwise; it may be missing.
pub const USUAL: &str = "/etc/hamgate/hamgate.toml";

crate::settings! {
    /// Rules: SpamAssassin's language, files ending in .cf and .pre.
    pub struct RuleSettings in "rules" {
        /// Folders or files in place of the built-in rules.
        pub only: Vec<PathBuf> = "[]",
        /// Folders or files read after the built-in rules; those that are missing are passed over.
        pub add: Vec<PathBuf> = "[\"/etc/hamgate/rules\"]",
        /// Rules that are only watched: names such as "HG_PTR_MISSING" or "HG_HELO_*". The log and `hamgate report --would-have` tell
        /// of their hits; they score nothing and stand in no field.
        pub observe: Vec<String> = "[]",
        /// Ask no network question at all (SpamAssassin's -L).
        pub local: bool = "false",
    }
}

/// Sections that stand several times.
const LIMIT: &str = "limit";
const LIMIT_SAMPLE: &str = "
# Rate limits, one [[limit]] for each; none by default. At most so many in any span of time; what is refused (450, connections 421) is
# not counted. by: \"client\" (address), \"network\" (/24, /64), \"user\" (who logged in), \"sender-domain\", \"recipient\". count: \"messages\",
# \"recipients\", \"connections\" (by client or network; without per, connections at once). mode: \"on\", \"observe\", \"off\". Trusted networks
# are never counted, those who logged in by \"user\" alone.
#[[limit]]
#by = \"client\"
#count = \"messages\"
#most = 100
#per = \"1 min\"
#mode = \"on\"
";

const LIST: &str = "list";
const LIST_SAMPLE: &str = "
# DNS lists of your own, one [[list]] for each; none by default. asks: \"client\" (its address), \"helo\", \"ptr\", \"mail-from\", \"from\",
# \"reply-to\", \"uri\", \"digest\". answer: an address, a range, a value under a mask (127.0.0.0/255.255.255.0), a number of bits of which
# one must be set; without it any answer counts. rule: the name of the rule that hits; score: its score, unless a rule file gives one.
# welcome = true: the list speaks well of senders. refuse = true: it takes part in refusals ([lists], refusal).
#[[list]]
#zone = \"bl.example.org\"
#asks = \"client\"
#answer = \"127.0.0.2\"
#rule = \"OWN_BL\"
#score = 2.5
";

/// The table of sections. A new room adds its line here and nowhere else.
macro_rules! sections {
    ($($name:ident: $settings:ty,)+) => {
        /// The whole configuration.
        #[derive(Clone, Debug, Default)]
        pub struct Config {
            $(pub $name: $settings,)+
            /// Each `[[limit]]`, in order.
            pub limits: Vec<Limit>,
            /// Each `[[list]]`, in order.
            pub own_lists: Vec<List>,
        }

        impl Config {
            fn set(&mut self, name: &str, table: DeTable<'_>) -> Option<Vec<Mistake>> {
                match name {
                    $(<$settings as Section>::NAME => {
                        let (section, mistakes) = read::<$settings>(table);
                        self.$name = section;
                        Some(mistakes)
                    })+
                    _ => None,
                }
            }

            const NAMES: &'static [&'static str] = &[$(<$settings as Section>::NAME),+];

            /// The sample file: every setting at its default, with its manual.
            pub fn sample() -> String {
                let sections = [$(sample::<$settings>()),+];
                format!(
                    "# hamgate.toml: every setting at its default. Without this file the same holds.\n\
                     # Durations and sizes carry their unit: \"5 min\", \"25 MB\".\n\n{}",
                    sections.join("\n") + LIMIT_SAMPLE + LIST_SAMPLE
                )
            }
        }
    };
}

sections! {
    milter: crate::milter::Settings,
    rules: RuleSettings,
    policy: crate::policy::Settings,
    dns: crate::dns::Settings,
    auth: crate::auth::Settings,
    virus: crate::virus::Settings,
    dkim: crate::auth::sign::Settings,
    log: super::log::Settings,
    access: crate::access::Settings,
    greylist: crate::pace::GreylistSettings,
    harvest: crate::pace::HarvestSettings,
    accounts: crate::pace::AccountSettings,
    bounces: crate::pace::BounceSettings,
    store: crate::store::Settings,
    bayes: crate::bayes::Settings,
    learn: crate::learn::Settings,
    lists: crate::lists::Settings,
    weight: crate::lists::weight::Settings,
}

impl Config {
    /// Reads the operator's file; without one given, the usual one where it exists, else the defaults.
    ///
    /// # Errors
    /// Every mistake, with file, line and remedy.
    pub fn read(path: Option<&Path>) -> Result<Config, Vec<Complaint>> {
        let (path, must_exist) = match path {
            Some(path) => (path, true),
            None => (Path::new(USUAL), false),
        };
        match std::fs::read_to_string(path) {
            Ok(text) => Config::parse(&text, &path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => Ok(Config::default()),
            Err(error) => Err(vec![Complaint {
                severity: Severity::Error,
                place: Some(Place { file: path.display().to_string().into(), line: 0 }),
                what: format!("cannot be read ({error})"),
                remedy: "check path and permissions, or leave --config out to use the defaults".to_owned(),
            }]),
        }
    }

    /// As `read`, of a text.
    ///
    /// # Errors
    /// Every mistake, with file, line and remedy.
    pub fn parse(text: &str, file: &str) -> Result<Config, Vec<Complaint>> {
        let mut config = Config::default();
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut mistakes: Vec<Mistake> = errors.iter().map(syntax).collect();
        if mistakes.is_empty() {
            for (key, setting) in document.into_inner() {
                let at = key.span().start;
                let name = key.into_inner();
                match setting.into_inner() {
                    DeValue::Table(_) if name == LIMIT => mistakes.push(Mistake {
                        at,
                        what: "[limit] may stand several times".to_owned(),
                        remedy: "write [[limit]], once for each".to_owned(),
                    }),
                    DeValue::Array(all) if name == LIMIT => {
                        for one in all {
                            let at = one.span().start;
                            match value::<Limit>(one) {
                                Ok(limit) => {
                                    if let Some((what, remedy)) = limit.mistake() {
                                        mistakes.push(Mistake { at, what: format!("[[limit]]: {what}"), remedy });
                                    }
                                    config.limits.push(limit);
                                }
                                Err(error) => {
                                    let at = error.span().map_or(at, |span| span.start);
                                    mistakes.push(Mistake { at, what: "[[limit]]".to_owned(), remedy: error.message().to_owned() });
                                }
                            }
                        }
                    }
                    DeValue::Table(_) if name == LIST => mistakes.push(Mistake {
                        at,
                        what: "[list] may stand several times".to_owned(),
                        remedy: "write [[list]], once for each".to_owned(),
                    }),
                    DeValue::Array(all) if name == LIST => {
                        for one in all {
                            let at = one.span().start;
                            match value::<List>(one) {
                                Ok(list) => {
                                    if let Some((what, remedy)) = list.mistake() {
                                        mistakes.push(Mistake { at, what: format!("[[list]]: {what}"), remedy });
                                    }
                                    config.own_lists.push(list);
                                }
                                Err(error) => {
                                    let at = error.span().map_or(at, |span| span.start);
                                    mistakes.push(Mistake { at, what: "[[list]]".to_owned(), remedy: error.message().to_owned() });
                                }
                            }
                        }
                    }
                    DeValue::Table(table) => match config.set(&name, table) {
                        Some(wrong) => mistakes.extend(wrong),
                        None => mistakes.push(unknown(at, &format!("section [{name}]"), &name, Config::NAMES.iter().copied())),
                    },
                    DeValue::String(_)
                    | DeValue::Integer(_)
                    | DeValue::Float(_)
                    | DeValue::Boolean(_)
                    | DeValue::Datetime(_)
                    | DeValue::Array(_) => mistakes.push(Mistake {
                        at,
                        what: format!("setting \"{name}\" outside of any section"),
                        remedy: format!("put it below one of [{}]", Config::NAMES.join("], [")),
                    }),
                }
            }
        }
        mistakes.sort_by_key(|mistake| mistake.at);
        if mistakes.is_empty() { Ok(config) } else { Err(mistakes.iter().map(|mistake| complaint(mistake, text, file)).collect()) }
    }
}

fn syntax(error: &toml::de::Error) -> Mistake {
    let what = error.message().to_owned();
    let remedy = if what.contains("duplicate") { "keep one of the two" } else { "see the sample that comes with hamgate" };
    Mistake { at: error.span().map_or(0, |span| span.start), what, remedy: remedy.to_owned() }
}

fn complaint(mistake: &Mistake, text: &str, file: &str) -> Complaint {
    let before = text.as_bytes().get(..mistake.at).unwrap_or(text.as_bytes());
    let line = u32::try_from(1 + memchr::memchr_iter(b'\n', before).count()).unwrap_or(u32::MAX);
    Complaint {
        severity: Severity::Error,
        place: Some(Place { file: file.into(), line }),
        what: mistake.what.clone(),
        remedy: mistake.remedy.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        Config::parse(text, "hamgate.toml").map(|_| ()).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_mistake_has_its_line_and_a_remedy() {
        let text = "colour = 1\n[milter]\nlisten = [\"tcp:1\"]\nidle = \"5\"\nconections = 3\n[polisy]\n";
        assert_eq!(
            complaints(text),
            vec![
                &format!("hamgate.toml:1: setting \"colour\" outside of any section: put it below one of [{}]", Config::NAMES.join("], [")),
                "hamgate.toml:3: listen in [milter]: \"tcp:1\": write inet:8891@localhost, inet6:8891@::1 or \
                 unix:/run/hamgate/milter.sock, the last with owner=USER:GROUP and mode=660 after a comma where wanted",
                "hamgate.toml:4: idle in [milter]: \"5\": give a number and a unit, such as \"5 min\"",
                "hamgate.toml:5: unknown setting \"conections\" in [milter]: did you mean \"connections\"?",
                "hamgate.toml:6: unknown section [polisy]: did you mean \"policy\"?",
            ]
        );
    }

    #[test]
    fn a_doubled_key_names_its_line() {
        let told = complaints("[log]\nlevel = \"info\"\nlevel = \"debug\"\n");
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("hamgate.toml:3: duplicate key"), "{}", told[0]);
        assert!(complaints("[log]\n[log]\n")[0].starts_with("hamgate.toml:2: "));
        assert!(complaints("[log\n")[0].starts_with("hamgate.toml:1: "));
    }

    #[test]
    fn the_sample_file_can_be_read_with_all_its_lines() {
        let sample = Config::sample();
        Config::parse(&sample, "sample").unwrap();
        let live: Vec<&str> = sample.lines().map(|l| l.strip_prefix('#').filter(|l| !l.starts_with(' ')).unwrap_or(l)).collect();
        Config::parse(&live.join("\n"), "sample").unwrap();
    }
}
