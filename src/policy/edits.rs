//! Edits that mark a message: forged fields off, ours on, Subject tagged.

use super::subject;
use crate::outcome::Edit;
use std::collections::HashMap;

/// A field of the message as it came.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'m> {
    pub name: &'m [u8],
    /// All after the colon.
    pub value: &'m [u8],
}

/// A field and the tag that `rewrite_header` gives it, for the three that it knows.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite<'r> {
    pub field: &'r str,
    pub tag: &'r str,
}

/// Fields that only we may write: whoever reads them takes them for ours.
fn is_ours(name: &[u8]) -> bool {
    name.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"X-Spam-"))
}

/// Removals (highest occurrence first), rewritten fields, then `ours` above all others in the order given.
pub fn edits(standing: &[Standing<'_>], ours: &[(String, Vec<u8>)], rewrites: &[Rewrite<'_>], decoded_subject: &str) -> Vec<Edit> {
    let mut edits = removals(standing);
    edits.extend(rewrites.iter().filter_map(|rewrite| rewritten(standing, rewrite, decoded_subject)));
    // Each goes above those before it.
    edits.extend(ours.iter().rev().map(|(name, value)| Edit::Prepend { name: name.clone(), value: value.clone() }));
    edits
}

fn removals(standing: &[Standing<'_>]) -> Vec<Edit> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut removals: Vec<Edit> = standing
        .iter()
        .filter(|field| is_ours(field.name))
        .map(|field| {
            let name = String::from_utf8_lossy(field.name).into_owned();
            let occurrence = seen.entry(name.to_ascii_lowercase()).or_default();
            *occurrence += 1;
            Edit::Remove { name, occurrence: *occurrence }
        })
        .collect();
    removals.reverse();
    removals
}

fn rewritten(standing: &[Standing<'_>], rewrite: &Rewrite<'_>, decoded_subject: &str) -> Option<Edit> {
    // A mail reader shows the first Subject, or the last; the first is what SpamAssassin rewrites.
    let field = standing.iter().find(|field| field.name.eq_ignore_ascii_case(rewrite.field.as_bytes()));
    let name = rewrite.field.to_owned();
    if rewrite.field.eq_ignore_ascii_case("Subject") {
        let value = subject::tagged(field.map(|field| field.value), decoded_subject, rewrite.tag)?;
        return Some(match field {
            Some(_) => Edit::Replace { name, occurrence: 1, value },
            None => Edit::Append { name, value },
        });
    }
    let value = subject::commented(field?.value, rewrite.tag)?;
    Some(Edit::Replace { name, occurrence: 1, value })
}

/// The message as it will leave: its fields with the edits carried out, then its body. `standing` are the fields of `sent`.
pub fn applied(sent: &[u8], standing: &[Standing<'_>], edits: &[Edit]) -> Vec<u8> {
    let (mut above, mut below) = (Vec::new(), Vec::new());
    let mut changed: HashMap<(String, u32), Option<&[u8]>> = HashMap::new();
    for edit in edits {
        match edit {
            Edit::Prepend { name, value } => above.push(line(name.as_bytes(), value)),
            Edit::Append { name, value } => below.push(line(name.as_bytes(), value)),
            Edit::Replace { name, occurrence, value } => {
                changed.insert((name.to_ascii_lowercase(), *occurrence), Some(value));
            }
            Edit::Remove { name, occurrence } => {
                changed.insert((name.to_ascii_lowercase(), *occurrence), None);
            }
        }
    }
    let mut out: Vec<u8> = above.into_iter().rev().flatten().collect();
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut octets_of_fields = 0;
    for field in standing {
        let name = String::from_utf8_lossy(field.name).to_ascii_lowercase();
        let occurrence = seen.entry(name.clone()).or_default();
        *occurrence += 1;
        octets_of_fields += field.name.len() + 1 + field.value.len();
        match changed.get(&(name, *occurrence)) {
            Some(None) => {}
            Some(Some(value)) => out.extend_from_slice(&line(field.name, value)),
            None => {
                out.extend_from_slice(field.name);
                out.push(b':');
                out.extend_from_slice(field.value);
            }
        }
    }
    below.into_iter().for_each(|field| out.extend_from_slice(&field));
    // A milter is given fields one by one, so nothing stands between them.
    out.extend_from_slice(sent.get(octets_of_fields..).unwrap_or_default());
    out
}

/// A field as signatures want it: its lines end in CR LF.
fn line(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = [name, b": "].concat();
    for octet in value {
        match octet {
            b'\r' => {}
            b'\n' => out.extend_from_slice(b"\r\n"),
            octet => out.push(*octet),
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_covers_the_fields_as_they_will_be() {
        let sent = b"X-Spam-Flag: NO\r\nSubject: a\r\n b\r\nTo: c\r\n\r\nbody\r\n";
        let fields = [("X-Spam-Flag", " NO\r\n"), ("Subject", " a\r\n b\r\n"), ("To", " c\r\n")];
        let edits = [
            Edit::Remove { name: "x-spam-flag".into(), occurrence: 1 },
            Edit::Replace { name: "Subject".into(), occurrence: 1, value: b"[SPAM] a\n b".to_vec() },
            Edit::Prepend { name: "One".into(), value: b"1".to_vec() },
            Edit::Prepend { name: "Two".into(), value: b"2".to_vec() },
            Edit::Append { name: "Last".into(), value: b"3".to_vec() },
        ];
        assert_eq!(
            String::from_utf8_lossy(&applied(sent, &standing(&fields), &edits)),
            "Two: 2\r\nOne: 1\r\nSubject: [SPAM] a\r\n b\r\nTo: c\r\nLast: 3\r\n\r\nbody\r\n"
        );
        assert_eq!(applied(sent, &standing(&fields), &[]), sent);
    }

    fn standing<'m>(fields: &'m [(&'m str, &'m str)]) -> Vec<Standing<'m>> {
        fields.iter().map(|(name, value)| Standing { name: name.as_bytes(), value: value.as_bytes() }).collect()
    }

    #[test]
    fn forged_fields_go_highest_first() {
        let fields = [("X-Spam-Flag", " NO"), ("Subject", " x"), ("x-spam-flag", " NO"), ("X-Spam-Status", " No")];
        let removed: Vec<(String, u32)> = edits(&standing(&fields), &[], &[], "x")
            .into_iter()
            .map(|edit| match edit {
                Edit::Remove { name, occurrence } => (name, occurrence),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(removed, vec![("X-Spam-Status".into(), 1), ("x-spam-flag".into(), 2), ("X-Spam-Flag".into(), 1)]);
    }

    #[test]
    fn our_fields_stand_in_their_order_above_the_rest() {
        let ours = [("X-Spam-Flag".to_owned(), b"YES".to_vec()), ("X-Spam-Level".to_owned(), b"*****".to_vec())];
        let tag = Rewrite { field: "Subject", tag: "[SPAM]" };
        let all = edits(&standing(&[("Subject", " x")]), &ours, &[tag], "x");
        assert_eq!(all[0], Edit::Replace { name: "Subject".into(), occurrence: 1, value: b"[SPAM] x".to_vec() });
        assert_eq!(all[1], Edit::Prepend { name: "X-Spam-Level".into(), value: b"*****".to_vec() });
        assert_eq!(all.len(), 3);
    }
}
