//! Functions whose service, database or data file Hamgate does not ask: they answer as SpamAssassin does where that is not
//! installed, and `check` names what is missing.

use super::{Accepts, Answered, Context, Needs, Row, local};

pub(super) static ROWS: &[Row] = &[
    outside("check_razor2", "Razor2", Accepts::Full, "the Razor service is not asked"),
    outside("check_razor2_range", "Razor2", Accepts::Full, "the Razor service is not asked"),
    outside("check_pyzor", "Pyzor", Accepts::Full, "the Pyzor service is not asked"),
    outside("check_dcc", "DCC", Accepts::Full, "the DCC service is not asked"),
    outside("check_dcc_reputation_range", "DCC", Accepts::Full, "the DCC service is not asked"),
    outside("check_from_in_auto_welcomelist", "AWL", Accepts::Head, SENDERS),
    outside("check_from_in_auto_whitelist", "AWL", Accepts::Head, SENDERS),
    outside("check_senders_reputation", "TxRep", Accepts::Head, SENDERS),
    outside(
        "check_access_database",
        "AccessDB",
        Accepts::Head,
        "Berkeley DB files are not read; access tables of Hamgate's own take their place",
    ),
    outside("check_asn", "ASN", Accepts::Head, "the number of the client's network is not looked up"),
    outside("check_uri_local_bl", "URILocalBL", Accepts::Any, "no database of countries and providers is read"),
    outside("check_phishing", "Phishing", Accepts::Body, "feeds of phishing links are not read"),
    // The zone that the rule names has turned it into a rule about DNS; without one it is never true.
    local("check_uridnsbl", "URIDNSBL", Accepts::Any, |_, _| Answered::Miss),
    local("check_shortcircuit", "Shortcircuit", Accepts::Any, |_, _| Answered::Miss),
    local("short_url_tests", "DecodeShortURLs", Accepts::Any, |_, _| Answered::Miss),
    local("short_url", "DecodeShortURLs", Accepts::Body, short_url),
    outside("short_url_redir", "DecodeShortURLs", Accepts::Body, SHORTENERS),
    outside("short_url_200", "DecodeShortURLs", Accepts::Body, SHORTENERS),
    outside("short_url_404", "DecodeShortURLs", Accepts::Body, SHORTENERS),
    outside("short_url_code", "DecodeShortURLs", Accepts::Body, SHORTENERS),
    outside("short_url_chained", "DecodeShortURLs", Accepts::Body, SHORTENERS),
    outside("short_url_maxchain", "DecodeShortURLs", Accepts::Body, SHORTENERS),
    outside("short_url_loop", "DecodeShortURLs", Accepts::Body, SHORTENERS),
    Row {
        name: "check_authres_result",
        plugin: "AuthRes",
        accepts: Accepts::Head,
        needs: Needs::Outside("results of other servers are not read; SPF, DKIM and DMARC are verified here"),
        run: |_, arguments| arguments.get(1).is_some_and(|result| result.eq_ignore_ascii_case("missing")).into(),
    },
];

const SENDERS: &str = "no record of senders in SpamAssassin's form is kept";
const SHORTENERS: &str = "links of shorteners are not followed";

const fn outside(name: &'static str, plugin: &'static str, accepts: Accepts, why: &'static str) -> Row {
    Row { name, plugin, accepts, needs: Needs::Outside(why), run: |_, _| Answered::Miss }
}

/// A link to one of the hosts that `url_shortener` names, with a path unless the host is a third-level one.
fn short_url(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let known = |host: &str| {
        ["url_shortener", "url_shortener_get"].iter().any(|list| context.options.word_list(list).iter().any(|word| word == host))
    };
    if ["url_shortener", "url_shortener_get"].iter().all(|list| context.options.word_list(list).is_empty()) {
        return Answered::Miss;
    }
    let form = super::perl::pattern!(r"(?i)^https?://(?:[^@/?#]*@)?([^/?#:]+)(?::\d+)?(.*?\w)?");
    let is_short = |raw: &[u8]| {
        let raw = raw.split(|octet| matches!(octet, b'#' | b'?')).next().unwrap_or_default();
        let Some(found) = form.captures(raw) else { return false };
        let host = super::perl::lossy(found.get(1).map_or(&[][..], |group| group.as_bytes())).to_ascii_lowercase();
        let labels: Vec<&str> = host.split('.').collect();
        match labels.as_slice() {
            [_, _] => found.get(2).is_some() && known(&host),
            [first, rest @ ..] if rest.len() == 2 => {
                let parent = rest.join(".");
                known(&host) || if *first == "www" { known(&parent) } else { !first.starts_with("www") && known(&format!(".{parent}")) }
            }
            _ => known(&host),
        }
    };
    context.reading.links().iter().any(|link| !link.domains.is_empty() && !link.cleaned.is_empty() && is_short(&link.raw)).into()
}
