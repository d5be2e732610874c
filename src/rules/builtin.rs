//! Hamgate's own rules, compiled in: every file of `rules/`.

use super::files::Source;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../rules/", $name)))),*]
    };
}

/// Name and text of each file.
pub static FILES: &[(&str, &str)] = files![
    "00_plugins.pre",
    "05_output.cf",
    "10_headers.cf",
    "20_phrases.cf",
    "30_links.cf",
    "40_obfuscation.cf",
    "45_client.cf",
    "47_bounces.cf",
    "50_impostors.cf",
    "60_attachments.cf",
    "70_bayes.cf",
    "90_tests.cf",
];

/// All of them, as sources to load; complaints name them `rules/NAME`.
pub fn sources() -> Vec<Source> {
    FILES.iter().map(|(name, text)| Source::Text { name: format!("rules/{name}"), text: (*text).to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Complaint, Severity};
    use crate::rules::{NoFiles, Settings, load};

    #[test]
    fn every_file_of_the_rules_folder_is_compiled_in() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let mut there: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        there.sort();
        assert_eq!(there, FILES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }

    #[test]
    fn the_built_in_rules_have_no_mistake() {
        let (set, complaints) = load(&sources(), &NoFiles, &Settings::default());
        let mistakes: Vec<&Complaint> = complaints.iter().filter(|complaint| complaint.severity > Severity::Note).collect();
        assert!(mistakes.is_empty(), "{mistakes:#?}");
        assert!(set.rules.len() > 60);
        for rule in set.rules.iter().filter(|rule| !rule.is_subrule() && rule.test.kind() != "empty") {
            assert!(rule.describe.is_some(), "{} has no description", rule.name);
            assert!(rule.score_place.is_some(), "{} has no score", rule.name);
        }
    }
}
