//! What an answer of a list must look like: an address, a range, a mask over its number, a text.
//!
//! Lists tell refusals by answers in 127.255.255.0/24. Those count only for rules that name such an answer: a rule that
//! takes any answer, or looks at single bits, must not take a refusal for a listing.

use std::net::Ipv4Addr;

/// The number of an A record.
pub fn number(record: &str) -> Option<u32> {
    record.parse::<Ipv4Addr>().ok().map(u32::from)
}

/// An answer that says "you may not ask" rather than "listed".
pub fn is_refusal(record: &str) -> bool {
    number(record).is_some_and(|number| number >> 8 == 0x7f_ff_ff)
}

/// `n`: bits that must not all be missing, of an address in 127.0.0.0/8; `n-m`: a range; `n/m`: a value under a mask; all
/// in decimal.
pub fn passes(subtest: &str, number: u32) -> bool {
    let refusal = number >> 8 == 0x7f_ff_ff;
    let read = |text: &str| text.parse::<u64>().ok();
    let value = u64::from(number);
    if let Some((least, most)) = subtest.split_once('-') {
        let (Some(least), Some(most)) = (read(least), read(most)) else { return false };
        return (least..=most).contains(&value) && (!refusal || least >> 8 == 0x7f_ff_ff);
    }
    if let Some((wanted, mask)) = subtest.split_once('/') {
        let (Some(wanted), Some(mask)) = (read(wanted), read(mask)) else { return false };
        return value & mask == wanted & mask && (!refusal || wanted >> 8 == 0x7f_ff_ff);
    }
    read(subtest).is_some_and(|bits| value & bits != 0 && number >> 24 == 127 && !refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_counts_for_those_alone_who_name_it() {
        let of = |text: &str| number(text).unwrap();
        for (subtest, record, fits) in [
            ("2", "127.0.0.2", true),
            ("2", "127.0.0.4", false),
            ("2", "127.255.255.254", false),
            ("2", "192.0.2.2", false),
            ("2130706434-2130706434", "127.0.0.2", true),
            ("2130706433-2147483647", "127.255.255.254", false),
            ("2147483646-2147483646", "127.255.255.254", true),
            ("2130706432/4294967040", "127.0.0.9", true),
            ("2130706432/4278190080", "127.255.255.255", false),
        ] {
            assert_eq!(passes(subtest, of(record)), fits, "{subtest} {record}");
        }
        assert!(is_refusal("127.255.255.1") && !is_refusal("127.0.0.1"));
    }
}
