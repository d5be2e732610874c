//! Lists of `[[list]]` become rules, so that they are scored, explained and watched over like all others.

use super::settings::{Asks, List};
use std::fmt::Write as _;

/// The text of a rule file that asks these lists.
pub fn rule_text(lists: &[List]) -> String {
    let mut text = String::new();
    for list in lists {
        let rule = &list.rule;
        let zone = list.zone.trim_end_matches('.');
        let answer = if list.answer.is_empty() { "127.0.0.0-127.255.254.255" } else { &list.answer };
        let line = match list.asks {
            Asks::Client => format!("askdns {rule} _LASTEXTERNALREVIP_.{zone} A {answer}"),
            Asks::Helo => format!("askdns {rule} _LASTEXTERNALHELO_.{zone} A {answer}"),
            Asks::Ptr => format!("askdns {rule} _LASTEXTERNALRDNS_.{zone} A {answer}"),
            Asks::MailFrom => format!("askdns {rule} _SENDERDOMAIN_.{zone} A {answer}"),
            Asks::From => format!("askdns {rule} _AUTHORDOMAIN_.{zone} A {answer}"),
            Asks::ReplyTo => format!("askdns {rule} _HEADER(Reply-To:addr:host)_.{zone} A {answer}"),
            Asks::Uri => format!("urirhssub {rule} {zone}. A {answer}\nbody {rule} eval:check_uridnsbl('{rule}')"),
            Asks::Digest => {
                let pattern = pattern(&list.answer);
                format!("header {rule} eval:check_hashbl_emails('{zone}', 'sha1/max=10', 'ALLFROM/Reply-To/body', '{pattern}')")
            }
        };
        let nice = if list.welcome { " nice" } else { "" };
        let _ = writeln!(text, "{line}\ntflags {rule} net{nice}\ndescribe {rule} Listed by {zone}");
        if let Some(score) = list.score {
            let _ = writeln!(text, "score {rule} {score}");
        }
    }
    text
}

/// Digests are tested by patterns alone: a lone address is one.
fn pattern(answer: &str) -> String {
    if answer.is_empty() { "^127\\.".to_owned() } else { format!("^{}$", answer.replace('.', "\\.")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_a_rule() {
        let list = List {
            zone: "bl.example.org".into(),
            asks: Asks::Client,
            answer: "127.0.0.2-127.0.0.4".into(),
            rule: "OWN_BL".into(),
            score: Some(2.5),
            welcome: false,
            refuse: false,
        };
        let text = rule_text(&[list]);
        assert!(text.starts_with("askdns OWN_BL _LASTEXTERNALREVIP_.bl.example.org A 127.0.0.2-127.0.0.4\n"));
        assert!(text.ends_with("score OWN_BL 2.5\n"));
    }
}
