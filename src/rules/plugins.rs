//! The plugins of SpamAssassin 4.0.1: which of them stand in Hamgate, what they offer to `has()` and `can()`.

use super::eval;

pub const PREFIX: &str = "Mail::SpamAssassin::Plugin::";

/// How far a plugin is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Its rule types, options and functions work.
    Built,
    /// It may be loaded and its rules are known, but they never hit; the text says why.
    Silent(&'static str),
    /// Loading it has no effect, since Hamgate does its work otherwise or not at all; the text says how.
    Absent(&'static str),
}

pub struct Plugin {
    /// Without `Mail::SpamAssassin::Plugin::`.
    pub name: &'static str,
    pub support: Support,
    /// Functions that `has()` and `can()` find, beside those that rules call.
    pub features: &'static [&'static str],
}

const fn built(name: &'static str, features: &'static [&'static str]) -> Plugin {
    Plugin { name, support: Support::Built, features }
}

const fn silent(name: &'static str, why: &'static str, features: &'static [&'static str]) -> Plugin {
    Plugin { name, support: Support::Silent(why), features }
}

const fn absent(name: &'static str, why: &'static str) -> Plugin {
    Plugin { name, support: Support::Absent(why), features: &[] }
}

pub static PLUGINS: &[Plugin] = &[
    silent("ASN", "no route database is asked", &["has_asn_lookup_ipv6", "has_asn_geodb", "has_check_asn", "has_check_asn_tag"]),
    silent("AWL", "the history of senders is kept by Hamgate itself", &[]),
    silent("AccessDB", "access tables are read from the configuration ([access])", &[]),
    built("AntiVirus", &[]),
    built("AskDNS", &["has_tag_header"]),
    silent("AuthRes", "authentication is verified, not read from fields", &[]),
    built("AutoLearnThreshold", &[]),
    built("Bayes", &[]),
    built("BodyEval", &["has_check_body_length", "has_plaintext_body_sig_ratio"]),
    absent("BodyRuleBaseExtractor", "patterns are gated by the literals they need in any case"),
    built("Check", &[]),
    silent("DCC", "the DCC servers are not asked", &[]),
    built("DKIM", &["has_arc"]),
    built("DMARC", &[]),
    built("DNSEval", &["has_tflags_domains_only", "has_tflags_ips_only"]),
    silent(
        "DecodeShortURLs",
        "short links are not followed",
        &[
            "has_short_url",
            "has_autoclean",
            "has_short_url_code",
            "has_user_agent",
            "has_get",
            "has_clear",
            "has_timeout",
            "has_max_redirections",
            "has_short_url_redir",
        ],
    ),
    absent("ExtractText", "text of attachments is read by Hamgate itself"),
    built("FreeMail", &[]),
    built("FromNameSpoof", &[]),
    built("HTMLEval", &[]),
    built("HTTPSMismatch", &[]),
    built(
        "HashBL",
        &[
            "has_hashbl_bodyre",
            "has_hashbl_bodyre_num",
            "has_hashbl_emails",
            "has_hashbl_uris",
            "has_hashbl_ignore",
            "has_hashbl_email_regex",
            "has_hashbl_email_welcomelist",
            "has_hashbl_email_whitelist",
            "has_hashbl_tag",
            "has_hashbl_sha256",
            "has_hashbl_attachments",
            "has_hashbl_email_domain",
            "has_hashbl_email_domain_alias",
        ],
    ),
    built("HeaderEval", &[]),
    built("ImageInfo", &[]),
    built("MIMEEval", &["has_check_for_ascii_text_illegal", "has_check_abundant_unicode_ratio", "has_check_qp_ratio"]),
    built("MIMEHeader", &["has_all_header", "has_tflags_range", "has_tflags_concat", "has_tflags_multiple", "has_capture_rules"]),
    built("OLEVBMacro", &["has_olemacro_redirect_uri", "has_olemacro_mhtml_uri", "has_olertfobject"]),
    absent("OneLineBodyRuleType", "patterns are gated by the literals they need in any case"),
    built("PDFInfo", &[]),
    absent("PhishTag", "the body of a message is never rewritten"),
    silent("Phishing", "no feed of phishing links is read", &[]),
    silent("Pyzor", "the Pyzor servers are not asked", &["has_fork", "has_perl"]),
    silent("Razor2", "the Razor servers are not asked", &["has_fork"]),
    absent("RelayCountry", "no country database is read"),
    built("RelayEval", &[]),
    built("ReplaceTags", &[]),
    absent("ResourceLimits", "each message has a budget of its own"),
    built("Reuse", &[]),
    absent("Rule2XSBody", "patterns are compiled in any case"),
    built("SPF", &["has_check_for_spf_errors", "has_check_spf_skipped_noenvfrom"]),
    built("Shortcircuit", &[]),
    absent("SpamCop", "spam is not reported to SpamCop"),
    absent("Test", "it is an example"),
    built("TextCat", &[]),
    silent("TxRep", "the history of senders is kept by Hamgate itself", &[]),
    built(
        "URIDNSBL",
        &[
            "has_tflags_domains_only",
            "has_subtest_for_ranges",
            "has_uridnsbl_for_a",
            "has_uridnsbl_a_ns",
            "has_tflags_notrim",
            "has_uridnsbl_skip_mailto",
        ],
    ),
    built("URIDetail", &["has_host_key"]),
    built("URIEval", &[]),
    silent("URILocalBL", "no country database is read", &[]),
    built("VBounce", &[]),
    built("WLBLEval", &[]),
    built("WelcomeListSubject", &[]),
];

/// What `can(Mail::SpamAssassin::Conf::…)` answers yes to.
pub static FEATURES: &[&str] = &[
    "feature_originating_ip_headers",
    "feature_dns_local_ports_permit_avoid",
    "feature_bayes_auto_learn_on_error",
    "feature_uri_host_listed",
    "feature_yesno_takes_args",
    "feature_bug6558_free",
    "feature_edns",
    "feature_dns_query_restriction",
    "feature_registryboundaries",
    "feature_geodb",
    "feature_dns_block_rule",
    "feature_compile_regexp",
    "feature_meta_rules_matching",
    "feature_subjprefix",
    "feature_bayes_stopwords",
    "feature_get_host",
    "feature_blocklist_welcomelist",
    "feature_welcomelist_blocklist",
    "feature_header_address_parser",
    "feature_local_tests_only",
    "feature_header_first_last",
    "feature_header_match_many",
    "feature_capture_rules",
    "has_tflags_nosubject",
    "has_tflags_nolog",
    "perl_min_version_5010000",
];

/// By its name without the prefix.
pub fn find(short: &str) -> Option<&'static Plugin> {
    PLUGINS.iter().find(|plugin| plugin.name == short)
}

/// Whether a plugin has a function of that name.
pub fn offers(short: &str, function: &str) -> bool {
    find(short).is_some_and(|plugin| plugin.features.contains(&function)) || eval::find(function).is_some_and(|row| row.plugin == short)
}

/// The class name in use for an old one.
pub fn present_name(class: &str) -> String {
    match class.strip_prefix(PREFIX) {
        Some("Dmarc") => format!("{PREFIX}DMARC"),
        Some("WhiteListSubject") => format!("{PREFIX}WelcomeListSubject"),
        Some(_) | None => class.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_belongs_to_a_plugin_of_the_table() {
        for row in eval::rows() {
            assert!(row.plugin.is_empty() || find(row.plugin).is_some(), "{} of {}", row.name, row.plugin);
        }
    }
}
