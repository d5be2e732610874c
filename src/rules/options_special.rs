//! Options with a syntax of their own.

use super::draft::{Drafts, Fault, Line};
use super::lexer::{first_word, words};
use super::options::Options;
use super::options_read::{add_words, glob, seconds, wrong};
use super::plugins::{self, Support};
use super::settings::Row;
use crate::pattern::Pattern;
use std::sync::Arc;

pub(super) fn read(drafts: &mut Drafts, row: &'static Row, line: &Line<'_>) -> Result<(), Fault> {
    match row.name {
        "loadplugin" | "tryplugin" => return load_plugin(drafts, line),
        "enable_compat" => {
            drafts.compat.insert(line.value.to_owned());
            return Ok(());
        }
        _ => {}
    }
    let options = &mut drafts.options;
    match row.name {
        "rewrite_header"
        | "add_header"
        | "remove_header"
        | "clear_headers"
        | "report_safe"
        | "report"
        | "clear_report_template"
        | "unsafe_report"
        | "clear_unsafe_report_template"
        | "version_tag" => super::options_output::read(options, row.name, line),
        "enlist_addrlist" | "fns_add_addrlist" | "fns_remove_addrlist" => address_list(options, row.name, line),
        "enlist_uri_host" | "delist_uri_host" | "blocklist_uri_host" | "welcomelist_uri_host" => uri_hosts(options, row.name, line),
        "originating_ip_headers" | "clear_originating_ip_headers" => originating(options, row.name, line),
        "redirector_pattern" => {
            let pattern = Pattern::from_rule(line.value)
                .map_err(|error| Fault::warning(format!("the pattern {} cannot be used: {}", line.value, error.0), "correct it"))?;
            options.view.redirectors.push(pattern);
            Ok(())
        }
        "util_rb_tld" | "util_rb_2tld" | "util_rb_3tld" | "clear_util_rb" => boundaries(options, row.name, line),
        "dns_available" | "rbl_timeout" | "dns_query_restriction" | "clear_dns_query_restriction" | "dns_block_rule" => {
            network(options, row.name, line)
        }
        "adsp_override" => signing_practice(options, line),
        "hashbl_email_domain_alias" => domain_alias(options, line),
        "bayes_token_sources" => token_sources(options, line),
        "freemail_domains" | "freemail_welcomelist" => freemail(options, row.name, line),
        _ => Err(Fault::note(format!("{} has no effect", line.key), "")),
    }
}

/// Options whose name holds a parameter; `None` when the key is none of them.
pub(super) fn read_family(options: &mut Options, line: &Line<'_>) -> Option<Result<(), Fault>> {
    if let Some(list) = line.key.strip_prefix("hashbl_acl_").filter(|list| !list.is_empty() && list.len() <= 32) {
        if !options.plugins.contains("HashBL") {
            return None;
        }
        add_words(options, &format!("hashbl_acl_{list}"), words(line.value).map(str::to_lowercase));
        return Some(Ok(()));
    }
    let language = line.key.strip_prefix("bayes_stopword_").filter(|language| language.len() == 2)?;
    if !options.plugins.contains("Bayes") {
        return None;
    }
    options.tables.entry("bayes_stopword".into()).or_default().insert(language.to_owned(), line.value.to_owned());
    Some(Ok(()))
}

fn load_plugin(drafts: &mut Drafts, line: &Line<'_>) -> Result<(), Fault> {
    let class = plugins::present_name(first_word(line.value).0);
    if class.is_empty() {
        return Err(wrong(line, "name a plugin such as Mail::SpamAssassin::Plugin::DKIM"));
    }
    let Some(plugin) = class.strip_prefix(plugins::PREFIX).and_then(plugins::find) else {
        return Err(Fault::note(
            format!("the plugin {class} is not part of Hamgate"),
            "its options and functions are not known; lines between \"ifplugin\" and \"endif\" are skipped",
        ));
    };
    drafts.options.plugins.insert(plugin.name.to_owned());
    match plugin.support {
        Support::Built => Ok(()),
        Support::Silent(why) => Err(Fault::note(format!("rules of the plugin {} never hit", plugin.name), why)),
        Support::Absent(why) => Err(Fault::note(format!("the plugin {} has no effect", plugin.name), why)),
    }
}

/// `(LIST) words`; the list may be left out for `delist_uri_host`.
fn listed<'l>(line: &Line<'l>, optional: bool) -> Result<(Option<&'l str>, &'l str), Fault> {
    let split = line.value.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let found = match split {
        Some((list, rest)) if !list.is_empty() && rest.starts_with(super::lexer::is_space) => (Some(list), rest.trim_start()),
        _ if optional => (None, line.value),
        _ => return Err(wrong(line, "write (LIST) and then what belongs on it")),
    };
    if found.1.is_empty() { Err(wrong(line, "write what belongs on the list")) } else { Ok(found) }
}

fn address_list(options: &mut Options, name: &str, line: &Line<'_>) -> Result<(), Fault> {
    let (list, rest) = listed(line, false)?;
    let list = list.unwrap_or_default();
    let key = if name == "enlist_addrlist" { list.to_owned() } else { format!("FNS_{}", list.to_lowercase()) };
    let addresses = options.lists.entry(key).or_default();
    for address in words(rest) {
        if name == "fns_remove_addrlist" {
            addresses.remove(&glob(address));
        } else {
            addresses.add(&glob(address));
        }
    }
    Ok(())
}

fn uri_hosts(options: &mut Options, name: &str, line: &Line<'_>) -> Result<(), Fault> {
    let (list, hosts) = match name {
        "blocklist_uri_host" => (Some("BLOCK"), line.value),
        "welcomelist_uri_host" => (Some("WELCOME"), line.value),
        _ => listed(line, name == "delist_uri_host")?,
    };
    let hosts: Vec<(String, bool)> = words(hosts)
        .map(|host| host.to_lowercase())
        .map(|host| host.strip_prefix('!').map_or((host.clone(), true), |plain| (plain.to_owned(), false)))
        .collect();
    if name == "delist_uri_host" {
        for (known, entries) in &mut options.uri_hosts {
            if list.is_none_or(|list| list == known) {
                hosts.iter().for_each(|(host, _)| {
                    entries.remove(host);
                });
            }
        }
    } else {
        options.uri_hosts.entry(list.unwrap_or_default().to_owned()).or_default().extend(hosts);
    }
    Ok(())
}

fn originating(options: &mut Options, name: &str, line: &Line<'_>) -> Result<(), Fault> {
    let list = &mut options.view.originating_ip_headers;
    if name.starts_with("clear") {
        list.clear();
        return Ok(());
    }
    if line.value.is_empty() {
        return Err(wrong(line, "name header fields such as X-Originating-IP"));
    }
    for field in words(line.value) {
        if !list.iter().any(|known| known.eq_ignore_ascii_case(field)) {
            list.push(field.to_owned());
        }
    }
    Ok(())
}

/// `util_rb_2tld co.uk org.uk`: the names below which others register.
fn boundaries(options: &mut Options, name: &str, line: &Line<'_>) -> Result<(), Fault> {
    let tables = Arc::make_mut(&mut options.view.domains);
    let (table, labels) = match name {
        "util_rb_tld" => (&mut tables.tlds, 1),
        "util_rb_2tld" => (&mut tables.two_level, 2),
        "util_rb_3tld" => (&mut tables.three_level, 3),
        _ => {
            *tables = Default::default();
            return Ok(());
        }
    };
    let fits = |word: &str| word.split('.').count() == labels && word.split('.').all(|label| !label.is_empty());
    if line.value.is_empty() || !words(line.value).all(fits) {
        return Err(wrong(line, &format!("each word has {labels} label(s)")));
    }
    table.extend(words(line.value).map(str::to_lowercase));
    Ok(())
}

fn undotted(domain: &str) -> String {
    let domain = domain.strip_prefix('.').unwrap_or(domain);
    domain.strip_suffix('.').unwrap_or(domain).to_lowercase()
}

fn network(options: &mut Options, name: &str, line: &Line<'_>) -> Result<(), Fault> {
    match name {
        "dns_available" => {
            let value = match line.value {
                "yes" | "1" => "yes",
                "no" | "0" => "no",
                text if text == "test" || text.starts_with("test:") => "yes",
                _ => return Err(wrong(line, "write yes or no")),
            };
            options.settings.insert(name.into(), value.into());
        }
        "rbl_timeout" => rbl_timeout(options, line)?,
        "clear_dns_query_restriction" => {
            options.tables.remove("dns_query_restriction");
        }
        "dns_query_restriction" => {
            let (word, domains) = first_word(line.value);
            let word = word.to_lowercase();
            if !matches!(word.as_str(), "allow" | "deny") || domains.is_empty() {
                return Err(wrong(line, "write allow or deny, then domains"));
            }
            let table = options.tables.entry(name.into()).or_default();
            words(domains).for_each(|domain| {
                table.insert(undotted(domain), word.clone());
            });
        }
        _ => {
            let (rule, domains) = first_word(line.value);
            if domains.is_empty() {
                return Err(wrong(line, "write a rule, then domains"));
            }
            let table = options.tables.entry(name.into()).or_default();
            for domain in words(domains) {
                let rules = table.entry(undotted(domain)).or_default();
                if !rules.split(' ').any(|known| known == rule) {
                    rules.push_str(if rules.is_empty() { "" } else { " " });
                    rules.push_str(rule);
                }
            }
        }
    }
    Ok(())
}

/// `rbl_timeout seconds [least] [zone]`.
fn rbl_timeout(options: &mut Options, line: &Line<'_>) -> Result<(), Fault> {
    let mut times = Vec::new();
    let mut zone = None;
    for word in words(line.value) {
        match seconds(word) {
            Some(time) if zone.is_none() && times.len() < 2 => times.push(time),
            None if zone.is_none() && !times.is_empty() => zone = Some(undotted(word)),
            Some(_) | None => return Err(wrong(line, "write one or two times, then perhaps a zone")),
        }
    }
    let Some(time) = times.first() else { return Err(wrong(line, "write seconds such as 15")) };
    match zone {
        Some(zone) => {
            let text = times.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
            options.tables.entry("rbl_timeout".into()).or_default().insert(zone, text);
        }
        None => {
            options.settings.insert("rbl_timeout".into(), time.to_string());
            if let Some(least) = times.get(1) {
                options.settings.insert("rbl_timeout_min".into(), least.to_string());
            }
        }
    }
    Ok(())
}

/// `adsp_override domain [practice]`.
fn signing_practice(options: &mut Options, line: &Line<'_>) -> Result<(), Fault> {
    let (domain, practice) = first_word(line.value);
    let letter = match practice.to_lowercase().as_str() {
        "" | "discardable" => 'D',
        "nxdomain" => 'N',
        "unknown" => 'U',
        "all" => 'A',
        "custom_low" => '1',
        "custom_med" => '2',
        "custom_high" => '3',
        _ => return Err(wrong(line, "write nxdomain, unknown, all, discardable, custom_low, custom_med or custom_high")),
    };
    let domain = domain.strip_prefix('@').unwrap_or(domain);
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'*' | b'.' | b'_' | b'-');
    if domain.is_empty() || !domain.bytes().all(fits) {
        return Err(wrong(line, "write a domain"));
    }
    options.adsp_override.insert(domain.to_lowercase(), letter);
    Ok(())
}

fn domain_alias(options: &mut Options, line: &Line<'_>) -> Result<(), Fault> {
    let lower = line.value.to_lowercase();
    let (domain, aliases) = first_word(&lower);
    if aliases.is_empty() || lower.contains('@') {
        return Err(wrong(line, "write a domain and its other names"));
    }
    let table = options.tables.entry("hashbl_email_domain_alias".into()).or_default();
    words(aliases).for_each(|alias| {
        table.insert(alias.to_owned(), domain.to_owned());
    });
    Ok(())
}

fn token_sources(options: &mut Options, line: &Line<'_>) -> Result<(), Fault> {
    const ALL: &[&str] = &["header", "visible", "invisible", "uri", "mimepart"];
    let list = options.words.entry("bayes_token_sources".into()).or_insert_with(|| ALL.iter().take(4).map(|w| (*w).into()).collect());
    for word in words(line.value).map(str::to_lowercase) {
        let (plain, wanted) = word.strip_prefix("no").map_or((word.as_str(), true), |plain| (plain, false));
        match (plain, wanted) {
            ("ne", false) | ("all", false) => list.clear(),
            ("all", true) => *list = ALL.iter().map(|w| (*w).into()).collect(),
            _ if ALL.contains(&plain) => {
                list.retain(|known| known != plain);
                if wanted {
                    list.push(plain.to_owned());
                }
            }
            _ => {
                return Err(wrong(line, "write header, visible, invisible, uri, mimepart, all or none, or one of them with \"no\" before"));
            }
        }
    }
    Ok(())
}

fn freemail(options: &mut Options, name: &str, line: &Line<'_>) -> Result<(), Fault> {
    let mut odd = Vec::new();
    for word in words(line.value) {
        let lower = word.to_lowercase();
        let domain = word.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'*' | b'?' | b'-'));
        let list = &mut options.freemail;
        match name {
            "freemail_domains" if !domain => odd.push(word),
            "freemail_domains" if lower.contains(['*', '?']) => {
                if !list.wildcards.contains(&lower) {
                    list.wildcards.push(lower);
                }
            }
            "freemail_domains" => {
                list.domains.insert(lower);
            }
            _ => {
                list.welcome.insert(lower);
            }
        }
    }
    if odd.is_empty() { Ok(()) } else { Err(Fault::warning(format!("no domain: {}", odd.join(" ")), "write domains such as example.com")) }
}
