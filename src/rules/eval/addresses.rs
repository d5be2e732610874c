//! All senders and recipients that a message names, as welcome and block lists look at them.

use super::Context;
use super::perl::{lossy, pattern};

/// Addresses of all sender fields, each once (PerMsgStatus, all_from_addrs).
pub(super) fn senders<'c>(context: &'c Context<'_, '_>) -> &'c [String] {
    context.memo.senders.get_or_init(|| {
        let resent = context.header("Resent-From:first:addr");
        if resent.is_present() {
            return distinct(resent.list.iter().map(|address| lossy(address)));
        }
        let fields = ["From:addr", "Envelope-Sender:addr", "Resent-Sender:addr", "X-Envelope-From:addr", "EnvelopeFrom:addr"];
        let all = fields.iter().flat_map(|field| context.header(field).list.clone());
        // "foo@bar..." is read as "foo@bar.".
        distinct(all.filter(|address| !address.is_empty()).map(|address| single_dots(&lossy(&address))))
    })
}

/// Addresses of all recipient fields, and of the newest three Received fields (PerMsgStatus, all_to_addrs).
pub(super) fn recipients<'c>(context: &'c Context<'_, '_>) -> &'c [String] {
    context.memo.all_recipients.get_or_init(|| {
        let resent: Vec<Vec<u8>> =
            ["Resent-To:first:addr", "Resent-Cc:first:addr"].iter().flat_map(|field| context.header(field).list.clone()).collect();
        if !resent.is_empty() {
            return distinct(resent.iter().map(|address| lossy(address)));
        }
        let mut all = Vec::new();
        for line in context.header("Received").list.iter().take(3) {
            if let Some(found) = pattern!(r" for <?(\S+@(\S+?))>?;").captures(line) {
                let part = |at: usize| lossy(found.get(at).map_or(&[][..], |group| group.as_bytes()));
                if is_fqdn(&part(2)) {
                    all.push(part(1));
                }
            }
        }
        const FIELDS: [&str; 12] = [
            "To:addr",
            "Apparently-To:addr",
            "Delivered-To:addr",
            "Envelope-Recipients:addr",
            "Apparently-Resent-To:addr",
            "X-Envelope-To:addr",
            "Envelope-To:addr",
            "X-Delivered-To:addr",
            "X-Original-To:addr",
            "X-Rcpt-To:addr",
            "X-Real-To:addr",
            "Cc:addr",
        ];
        for field in FIELDS {
            all.extend(context.header(field).list.iter().map(|address| lossy(address)));
        }
        distinct(all.into_iter())
    })
}

fn distinct(addresses: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    addresses.filter(|address| seen.insert(address.clone())).collect()
}

pub(super) fn single_dots(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '.' || !out.ends_with('.') {
            out.push(c);
        }
    }
    out
}

/// A host name of two labels or more (Util, is_fqdn_valid): underscores are let pass below the second level.
pub(super) fn is_fqdn(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let labels: Vec<&str> = host.split('.').collect();
    host.len() <= 253
        && labels.len() > 1
        && labels.iter().rev().enumerate().all(|(level, label)| {
            let bytes = label.as_bytes();
            let inner = |octet: &u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || *octet == b'_';
            (1..=63).contains(&bytes.len())
                && bytes.first().is_some_and(inner)
                && bytes.last().is_some_and(inner)
                && bytes.iter().all(|octet| inner(octet) || *octet == b'-')
                && (level > 1 || !label.contains('_'))
        })
}

/// The host of an address: what follows the last `@`.
pub(super) fn host_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, host)| host)
}
