//! Every option line of Mail::SpamAssassin::Conf and its plugins that defines no rule: one table of rows.

/// How the value of an option is read and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text; the last line wins.
    Text,
    /// `yes`, `no`, `1`, `0`; kept as `1` or `0`.
    Flag,
    Number,
    /// Seconds, or a number with `s m h d w`; kept in seconds.
    Seconds,
    /// Words that add up.
    Words,
    /// Words that add up, without regard to case.
    LowerWords,
    /// Takes words away again, all of them when none is named.
    ClearWords(&'static str),
    /// A word and a text: `subjprefix RULE text`.
    Table,
    /// Globs over addresses.
    Addresses,
    /// Takes globs away from these lists.
    Unlist(&'static [&'static str]),
    /// An address and what must come with it; the latter may be absent (DKIM).
    Pairs {
        optional: bool,
    },
    /// Takes pairs away from these lists; with `partner`, that one partner alone.
    Unpair {
        lists: &'static [&'static str],
        partner: bool,
    },
    /// A globbed subject.
    Subject,
    /// What does not fit any of these; read by `options_read`.
    Special,
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its present name.
    pub name: &'static str,
    /// Other spellings, old ones mostly.
    pub aliases: &'static [&'static str],
    /// The plugin that must be loaded, without its prefix; empty for none.
    pub plugin: &'static str,
    pub kind: Kind,
    /// Why the option has no effect; `None` where it has.
    pub idle: Option<&'static str>,
}

impl Row {
    const fn aka(mut self, aliases: &'static [&'static str]) -> Row {
        self.aliases = aliases;
        self
    }

    const fn of(mut self, plugin: &'static str) -> Row {
        self.plugin = plugin;
        self
    }

    const fn idle(mut self, why: &'static str) -> Row {
        self.idle = Some(why);
        self
    }
}

const fn row(name: &'static str, kind: Kind) -> Row {
    Row { name, aliases: &[], plugin: "", kind, idle: None }
}

const fn text(name: &'static str) -> Row {
    row(name, Kind::Text)
}

const fn flag(name: &'static str) -> Row {
    row(name, Kind::Flag)
}

const fn number(name: &'static str) -> Row {
    row(name, Kind::Number)
}

const fn seconds(name: &'static str) -> Row {
    row(name, Kind::Seconds)
}

const fn special(name: &'static str) -> Row {
    row(name, Kind::Special)
}

const fn addresses(name: &'static str) -> Row {
    row(name, Kind::Addresses)
}

const STORE: &str = "what is learned lives in Hamgate's own store ([store] in hamgate.toml)";
const RESOLVER: &str = "the resolver is set up in hamgate.toml ([dns])";
const COUNTRIES: &str = "no country database is read";
const USERS: &str = "settings of users live in hamgate.toml";
const OUTSIDE: &str = "that service is not asked";
const SHORTENERS: &str = "short links are not followed";
const HISTORY: &str = "the history of senders is kept by Hamgate itself";
const VERIFIED: &str = "authentication is verified, not read from fields";
const PROCESS: &str = "it concerns SpamAssassin's own process";
const EXTRACT: &str = "text of attachments is read by Hamgate itself";

/// By topic.
pub static ROWS: &[&[Row]] = &[CORE, LISTS, OUTPUT, VIEWS, NETWORK, BAYES, PLUGINS, IDLE];

const CORE: &[Row] = &[
    number("required_score").aka(&["required_hits"]),
    seconds("time_limit"),
    text("ok_locales"),
    number("shortcircuit_spam_score").of("Shortcircuit"),
    number("shortcircuit_ham_score").of("Shortcircuit"),
    number("shortcircuit_min_ham_score").of("Shortcircuit"),
    number("shortcircuit_max_spam_score").of("Shortcircuit"),
    special("enable_compat"),
    special("loadplugin"),
    special("tryplugin"),
];

const LISTS: &[Row] = &[
    addresses("welcomelist_from").aka(&["whitelist_from"]),
    row("unwelcomelist_from", Kind::Unlist(&["welcomelist_from"])).aka(&["unwhitelist_from"]),
    row("welcomelist_from_rcvd", Kind::Pairs { optional: false }).aka(&["whitelist_from_rcvd"]),
    row("def_welcomelist_from_rcvd", Kind::Pairs { optional: false }).aka(&["def_whitelist_from_rcvd"]),
    row("unwelcomelist_from_rcvd", Kind::Unpair { lists: &["welcomelist_from_rcvd", "def_welcomelist_from_rcvd"], partner: false })
        .aka(&["unwhitelist_from_rcvd"]),
    addresses("welcomelist_allows_relays").aka(&["whitelist_allows_relays"]),
    addresses("blocklist_from").aka(&["blacklist_from"]),
    row("unblocklist_from", Kind::Unlist(&["blocklist_from"])).aka(&["unblacklist_from"]),
    addresses("welcomelist_to").aka(&["whitelist_to"]),
    addresses("more_spam_to"),
    addresses("all_spam_to"),
    addresses("blocklist_to").aka(&["blacklist_to"]),
    addresses("welcomelist_auth").aka(&["whitelist_auth"]),
    addresses("def_welcomelist_auth").aka(&["def_whitelist_auth"]),
    row("unwelcomelist_auth", Kind::Unlist(&["welcomelist_auth", "def_welcomelist_auth"])).aka(&["unwhitelist_auth"]),
    addresses("welcomelist_from_spf").aka(&["whitelist_from_spf"]).of("SPF"),
    addresses("def_welcomelist_from_spf").aka(&["def_whitelist_from_spf"]).of("SPF"),
    row("unwelcomelist_from_spf", Kind::Unlist(&["welcomelist_from_spf", "def_welcomelist_from_spf"]))
        .aka(&["unwhitelist_from_spf"])
        .of("SPF"),
    row("welcomelist_from_dkim", Kind::Pairs { optional: true }).aka(&["whitelist_from_dkim"]).of("DKIM"),
    row("def_welcomelist_from_dkim", Kind::Pairs { optional: true }).aka(&["def_whitelist_from_dkim"]).of("DKIM"),
    row("unwelcomelist_from_dkim", Kind::Unpair { lists: &["welcomelist_from_dkim", "def_welcomelist_from_dkim"], partner: true })
        .aka(&["unwhitelist_from_dkim"])
        .of("DKIM"),
    row("welcomelist_subject", Kind::Subject).aka(&["whitelist_subject"]).of("WelcomeListSubject"),
    row("blocklist_subject", Kind::Subject).aka(&["blacklist_subject"]).of("WelcomeListSubject"),
    addresses("welcomelist_bounce_relays").aka(&["whitelist_bounce_relays"]).of("VBounce"),
    special("enlist_addrlist"),
    special("enlist_uri_host"),
    special("delist_uri_host"),
    special("blocklist_uri_host").aka(&["blacklist_uri_host"]),
    special("welcomelist_uri_host").aka(&["whitelist_uri_host"]),
    special("fns_add_addrlist").of("FromNameSpoof"),
    special("fns_remove_addrlist").of("FromNameSpoof"),
];

const OUTPUT: &[Row] = &[
    special("rewrite_header"),
    row("subjprefix", Kind::Table),
    special("add_header"),
    special("remove_header"),
    special("clear_headers"),
    special("report_safe"),
    number("report_wrap_width"),
    flag("fold_headers"),
    row("report_safe_copy_headers", Kind::Words),
    text("report_charset"),
    special("report"),
    special("clear_report_template"),
    special("unsafe_report"),
    special("clear_unsafe_report_template"),
    text("report_contact"),
    text("report_hostname"),
    special("version_tag"),
];

const VIEWS: &[Row] = &[
    flag("normalize_charset"),
    special("originating_ip_headers"),
    special("clear_originating_ip_headers"),
    flag("always_trust_envelope_sender"),
    text("envelope_sender_header"),
    flag("parse_dkim_uris"),
    special("redirector_pattern"),
    number("body_part_scan_size"),
    number("rawbody_part_scan_size"),
    row("attachment_text", Kind::Words),
    special("util_rb_tld"),
    special("util_rb_2tld"),
    special("util_rb_3tld"),
    special("clear_util_rb"),
];

const NETWORK: &[Row] = &[
    flag("skip_rbl_checks"),
    special("dns_available"),
    special("rbl_timeout"),
    special("dns_query_restriction"),
    special("clear_dns_query_restriction").aka(&["clear_dns_query_restrictions"]),
    special("dns_block_rule"),
    number("dns_block_time"),
    text("rbl_headers").of("DNSEval"),
    flag("skip_uribl_checks").of("URIDNSBL"),
    flag("uridnsbl_skip_mailto").of("URIDNSBL"),
    number("uridnsbl_max_domains").of("URIDNSBL"),
    row("uridnsbl_skip_domain", Kind::LowerWords).of("URIDNSBL"),
    row("clear_uridnsbl_skip_domain", Kind::ClearWords("uridnsbl_skip_domain")).of("URIDNSBL"),
    special("adsp_override").of("DKIM"),
    number("dkim_minimum_key_bits").of("DKIM"),
    seconds("dkim_timeout").of("DKIM"),
    seconds("spf_timeout").of("SPF"),
    row("hashbl_ignore", Kind::LowerWords).of("HashBL"),
    special("hashbl_email_domain_alias").of("HashBL"),
    text("hashbl_email_regex").of("HashBL"),
    text("hashbl_email_welcomelist").aka(&["hashbl_email_whitelist"]).of("HashBL"),
];

const BAYES: &[Row] = &[
    flag("use_learner"),
    flag("use_bayes"),
    flag("use_bayes_rules"),
    flag("bayes_auto_learn"),
    number("bayes_auto_learn_threshold_nonspam").of("AutoLearnThreshold"),
    number("bayes_auto_learn_threshold_spam").of("AutoLearnThreshold"),
    flag("bayes_auto_learn_on_error").of("AutoLearnThreshold"),
    special("bayes_token_sources"),
    row("bayes_ignore_header", Kind::LowerWords),
    addresses("bayes_ignore_from"),
    addresses("bayes_ignore_to"),
    number("bayes_min_ham_num"),
    number("bayes_min_spam_num"),
    flag("bayes_use_hapaxes"),
    number("bayes_expiry_max_db_size"),
    flag("bayes_auto_expire"),
    seconds("bayes_token_ttl").idle(STORE),
    seconds("bayes_seen_ttl").idle(STORE),
    number("bayes_max_token_length").of("Bayes"),
    text("bayes_stopword_languages").of("Bayes"),
];

const PLUGINS: &[Row] = &[
    special("freemail_domains").of("FreeMail"),
    special("freemail_welcomelist").aka(&["freemail_whitelist"]).of("FreeMail"),
    number("freemail_max_body_emails").of("FreeMail"),
    number("freemail_max_body_freemails").of("FreeMail"),
    number("freemail_skip_when_over_max").of("FreeMail"),
    number("freemail_skip_bulk_envfrom").of("FreeMail"),
    number("freemail_add_describe_email").of("FreeMail"),
    number("freemail_import_welcomelist_auth").aka(&["freemail_import_whitelist_auth"]).of("FreeMail"),
    number("freemail_import_def_welcomelist_auth").aka(&["freemail_import_def_whitelist_auth"]).of("FreeMail"),
    number("fns_extrachars").of("FromNameSpoof"),
    row("fns_ignore_dkim", Kind::LowerWords).of("FromNameSpoof"),
    row("fns_ignore_headers", Kind::Words).of("FromNameSpoof"),
    number("fns_check").of("FromNameSpoof"),
    text("ok_languages").of("TextCat"),
    text("inactive_languages").of("TextCat"),
    number("textcat_max_languages").of("TextCat"),
    number("textcat_optimal_ngrams").of("TextCat"),
    number("textcat_max_ngrams").of("TextCat"),
    number("textcat_acceptable_score").of("TextCat"),
    number("olemacro_num_mime").of("OLEVBMacro"),
    number("olemacro_num_zip").of("OLEVBMacro"),
    number("olemacro_zip_depth").of("OLEVBMacro"),
    flag("olemacro_extended_scan").of("OLEVBMacro"),
    flag("olemacro_prefer_contentdisposition").of("OLEVBMacro"),
    number("olemacro_max_file").of("OLEVBMacro"),
    text("olemacro_exts").of("OLEVBMacro"),
    text("olemacro_macro_exts").of("OLEVBMacro"),
    text("olemacro_skip_exts").of("OLEVBMacro"),
    text("olemacro_skip_ctypes").of("OLEVBMacro"),
    text("olemacro_zips").of("OLEVBMacro"),
    text("olemacro_download_marker").of("OLEVBMacro"),
    row("url_shortener", Kind::LowerWords).of("DecodeShortURLs"),
    row("url_shortener_get", Kind::LowerWords).of("DecodeShortURLs"),
    row("clear_url_shortener", Kind::ClearWords("url_shortener")).of("DecodeShortURLs"),
    number("max_short_urls").of("DecodeShortURLs"),
    text("authres_networks").of("AuthRes").idle(VERIFIED),
    row("authres_trusted_authserv", Kind::LowerWords).of("AuthRes").idle(VERIFIED),
    row("authres_ignored_authserv", Kind::LowerWords).of("AuthRes").idle(VERIFIED),
];

const IDLE: &[Row] = &[
    text("test").idle("it is for SpamAssassin's own tests"),
    flag("ignore_always_matching_regexps").idle("patterns that always match are allowed"),
    flag("allow_user_rules").idle(USERS),
    text("mbox_format_from_regex").idle("mailboxes are split by their format"),
    text("lock_method").idle(STORE),
    text("user_scores_dsn").idle(USERS),
    text("user_scores_sql_username").idle(USERS),
    text("user_scores_sql_password").idle(USERS),
    text("user_scores_sql_custom_query").idle(USERS),
    text("user_scores_ldap_username").idle(USERS),
    text("user_scores_ldap_password").idle(USERS),
    flag("user_scores_fallback_to_global").idle(USERS),
    text("bayes_path").idle(STORE),
    text("bayes_file_mode").idle(STORE),
    text("bayes_store_module").idle(STORE),
    text("bayes_sql_dsn").idle(STORE),
    text("bayes_sql_username").idle(STORE),
    text("bayes_sql_password").idle(STORE),
    text("bayes_sql_override_username").idle(STORE),
    flag("bayes_sql_username_authorized").idle(STORE),
    number("bayes_journal_max_size").idle(STORE),
    flag("bayes_learn_to_journal").idle(STORE),
    flag("bayes_learn_during_report").idle("spam is not reported to others"),
    special("dns_server").idle(RESOLVER),
    special("clear_dns_servers").idle(RESOLVER),
    text("dns_local_ports_permit").idle(RESOLVER),
    text("dns_local_ports_avoid").idle(RESOLVER),
    text("dns_local_ports_none").idle(RESOLVER),
    seconds("dns_test_interval").idle("DNS is not tried beforehand"),
    text("dns_options").idle(RESOLVER),
    text("geodb_module").idle(COUNTRIES),
    text("geodb_options").idle(COUNTRIES),
    text("geodb_search_path").idle(COUNTRIES),
    text("country_db_type").idle(COUNTRIES),
    text("country_db_path").idle(COUNTRIES),
    text("uri_country_db_path").idle(COUNTRIES),
    text("uri_country_db_isp_path").idle(COUNTRIES),
    text("uri_block_cc").of("URILocalBL").idle(COUNTRIES),
    text("uri_block_cont").of("URILocalBL").idle(COUNTRIES),
    text("uri_block_isp").of("URILocalBL").idle(COUNTRIES),
    text("uri_block_cidr").of("URILocalBL").idle(COUNTRIES),
    text("uri_block_exclude").of("URILocalBL").idle(COUNTRIES),
    text("uridnsbl_timeout").of("URIDNSBL").idle("it is obsolete; use rbl_timeout"),
    flag("ignore_received_spf_header").of("SPF").idle(VERIFIED),
    flag("use_newest_received_spf_header").of("SPF").idle(VERIFIED),
    flag("do_not_use_mail_spf").of("SPF").idle(VERIFIED),
    flag("do_not_use_mail_spf_query").of("SPF").idle(VERIFIED),
    flag("dmarc_save_reports").of("DMARC").idle("reports are configured in hamgate.toml ([auth])"),
    flag("use_pyzor").of("Pyzor").idle(OUTSIDE),
    number("pyzor_count_min").of("Pyzor").idle(OUTSIDE),
    number("pyzor_max").of("Pyzor").idle(OUTSIDE),
    number("pyzor_welcomelist_min").aka(&["pyzor_whitelist_min"]).of("Pyzor").idle(OUTSIDE),
    number("pyzor_welcomelist_factor").aka(&["pyzor_whitelist_factor"]).of("Pyzor").idle(OUTSIDE),
    number("pyzor_fork").of("Pyzor").idle(OUTSIDE),
    number("pyzor_perl").of("Pyzor").idle(OUTSIDE),
    seconds("pyzor_timeout").of("Pyzor").idle(OUTSIDE),
    text("pyzor_options").of("Pyzor").idle(OUTSIDE),
    text("pyzor_path").of("Pyzor").idle(OUTSIDE),
    text("pyzor_server_file").of("Pyzor").idle(OUTSIDE),
    number("use_razor2").of("Razor2").idle(OUTSIDE),
    number("razor_fork").of("Razor2").idle(OUTSIDE),
    seconds("razor_timeout").of("Razor2").idle(OUTSIDE),
    text("razor_config").of("Razor2").idle(OUTSIDE),
    flag("use_dcc").of("DCC").idle(OUTSIDE),
    flag("use_dcc_rep").of("DCC").idle(OUTSIDE),
    number("dcc_body_max").of("DCC").idle(OUTSIDE),
    number("dcc_fuz1_max").of("DCC").idle(OUTSIDE),
    number("dcc_fuz2_max").of("DCC").idle(OUTSIDE),
    number("dcc_rep_percent").of("DCC").idle(OUTSIDE),
    seconds("dcc_timeout").of("DCC").idle(OUTSIDE),
    text("dcc_home").of("DCC").idle(OUTSIDE),
    text("dcc_dccifd_path").of("DCC").idle(OUTSIDE),
    text("dcc_path").of("DCC").idle(OUTSIDE),
    text("dcc_options").of("DCC").idle(OUTSIDE),
    text("dccifd_options").of("DCC").idle(OUTSIDE),
    number("dcc_learn_score").of("DCC").idle(OUTSIDE),
    text("spamcop_from_address").of("SpamCop").idle(OUTSIDE),
    text("spamcop_to_address").of("SpamCop").idle(OUTSIDE),
    number("spamcop_max_report_size").of("SpamCop").idle(OUTSIDE),
    text("spamcop_relayhost").of("SpamCop").idle(OUTSIDE),
    text("asn_lookup").of("ASN").idle(OUTSIDE),
    text("asn_lookup_ipv6").of("ASN").idle(OUTSIDE),
    text("clear_asn_lookups").of("ASN").idle(OUTSIDE),
    text("asn_prefix").of("ASN").idle(OUTSIDE),
    flag("asn_use_geodb").of("ASN").idle(OUTSIDE),
    flag("asn_prefer_geodb").of("ASN").idle(OUTSIDE),
    flag("asn_use_dns").of("ASN").idle(OUTSIDE),
    text("url_shortener_cache_type").of("DecodeShortURLs").idle(SHORTENERS),
    text("url_shortener_cache_dsn").of("DecodeShortURLs").idle(SHORTENERS),
    text("url_shortener_cache_username").of("DecodeShortURLs").idle(SHORTENERS),
    text("url_shortener_cache_password").of("DecodeShortURLs").idle(SHORTENERS),
    number("url_shortener_cache_ttl").of("DecodeShortURLs").idle(SHORTENERS),
    number("url_shortener_cache_autoclean").of("DecodeShortURLs").idle(SHORTENERS),
    flag("url_shortener_loginfo").of("DecodeShortURLs").idle(SHORTENERS),
    number("url_shortener_timeout").of("DecodeShortURLs").idle(SHORTENERS),
    number("max_short_url_redirections").of("DecodeShortURLs").idle(SHORTENERS),
    text("url_shortener_user_agent").of("DecodeShortURLs").idle(SHORTENERS),
    number("extracttext_maxparts").of("ExtractText").idle(EXTRACT),
    text("extracttext_timeout").of("ExtractText").idle(EXTRACT),
    text("extracttext_use").of("ExtractText").idle(EXTRACT),
    text("extracttext_external").of("ExtractText").idle(EXTRACT),
    number("trigger_target").of("PhishTag").idle("the body of a message is never rewritten"),
    text("trigger_config").of("PhishTag").idle("the body of a message is never rewritten"),
    number("trigger_ratio").of("PhishTag").idle("the body of a message is never rewritten"),
    text("phishing_openphish_feed").of("Phishing").idle(OUTSIDE),
    text("phishing_phishtank_feed").of("Phishing").idle(OUTSIDE),
    text("phishing_phishstats_feed").of("Phishing").idle(OUTSIDE),
    number("phishing_phishstats_minscore").of("Phishing").idle(OUTSIDE),
    flag("phishing_uri_noparam").of("Phishing").idle(OUTSIDE),
    number("resource_limit_mem").of("ResourceLimits").idle(PROCESS),
    number("resource_limit_cpu").of("ResourceLimits").idle(PROCESS),
    flag("run_reuse_tests_only").of("Reuse").idle(PROCESS),
    flag("use_auto_welcomelist").aka(&["use_auto_whitelist"]).of("AWL").idle(HISTORY),
    number("auto_welcomelist_factor").aka(&["auto_whitelist_factor"]).of("AWL").idle(HISTORY),
    number("auto_welcomelist_ipv4_mask_len").aka(&["auto_whitelist_ipv4_mask_len"]).of("AWL").idle(HISTORY),
    number("auto_welcomelist_ipv6_mask_len").aka(&["auto_whitelist_ipv6_mask_len"]).of("AWL").idle(HISTORY),
    flag("auto_welcomelist_distinguish_signed").aka(&["auto_whitelist_distinguish_signed"]).idle(HISTORY),
    text("auto_welcomelist_factory").aka(&["auto_whitelist_factory"]).of("AWL").idle(HISTORY),
    text("auto_welcomelist_path").aka(&["auto_whitelist_path"]).idle(HISTORY),
    text("auto_welcomelist_db_modules").aka(&["auto_whitelist_db_modules"]).idle(HISTORY),
    text("auto_welcomelist_file_mode").aka(&["auto_whitelist_file_mode"]).idle(HISTORY),
    text("user_awl_sql_override_username").idle(HISTORY),
    text("user_awl_dsn").idle(HISTORY),
    text("user_awl_sql_username").idle(HISTORY),
    text("user_awl_sql_password").idle(HISTORY),
    text("user_awl_sql_table").idle(HISTORY),
    flag("use_txrep").of("TxRep").idle(HISTORY),
    number("txrep_factor").of("TxRep").idle(HISTORY),
    number("txrep_dilution_factor").of("TxRep").idle(HISTORY),
    number("txrep_expiry_days").of("TxRep").idle(HISTORY),
    number("txrep_learn_penalty").of("TxRep").idle(HISTORY),
    number("txrep_learn_bonus").of("TxRep").idle(HISTORY),
    number("txrep_autolearn").of("TxRep").idle(HISTORY),
    flag("txrep_track_messages").of("TxRep").idle(HISTORY),
    number("txrep_welcomelist_out").aka(&["txrep_whitelist_out"]).of("TxRep").idle(HISTORY),
    number("txrep_ipv4_mask_len").of("TxRep").idle(HISTORY),
    number("txrep_ipv6_mask_len").of("TxRep").idle(HISTORY),
    text("txrep_user2global_ratio").of("TxRep").idle(HISTORY),
    flag("txrep_spf").of("TxRep").idle(HISTORY),
    number("txrep_weight_email").of("TxRep").idle(HISTORY),
    number("txrep_weight_email_ip").of("TxRep").idle(HISTORY),
    number("txrep_weight_domain").of("TxRep").idle(HISTORY),
    number("txrep_weight_ip").of("TxRep").idle(HISTORY),
    number("txrep_weight_helo").of("TxRep").idle(HISTORY),
    number("txrep_report_details").of("TxRep").idle(HISTORY),
    text("txrep_factory").of("TxRep").idle(HISTORY),
];

pub fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().flat_map(|rows| rows.iter())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn an_option_has_one_row() {
        let mut seen = HashSet::new();
        for row in rows() {
            for name in std::iter::once(&row.name).chain(row.aliases) {
                assert!(seen.insert(*name), "{name} has two rows");
            }
            assert!(row.plugin.is_empty() || super::super::plugins::find(row.plugin).is_some(), "{}", row.plugin);
        }
    }
}
