//! `score` lines: one value or four, absolute or relative (Mail::SpamAssassin::Conf, "score").

/// Local, network, Bayes, Bayes and network.
pub type Scores = [f64; 4];

/// The values of a line after the rule's name, given those in force before it.
pub(super) fn read(values: &[&str], earlier: Option<Scores>) -> Result<Scores, String> {
    let mut numbers = [0.0; 4];
    let mut relative = false;
    if values.len() != 1 && values.len() != 4 {
        return Err(format!("a score has one value or four, not {}", values.len()));
    }
    for (number, text) in numbers.iter_mut().zip(values) {
        let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        relative |= inner.is_some();
        let plain = inner.unwrap_or(text);
        *number = decimal(plain).ok_or_else(|| format!("\"{text}\" is no score: give a decimal number such as 1.5 or (0.5)"))?;
    }
    if values.len() == 1 {
        numbers = [numbers[0]; 4];
    }
    for number in &mut numbers {
        // "-0" is written in some files.
        *number += 0.0;
    }
    match (relative, earlier) {
        (false, _) => Ok(numbers),
        (true, Some(before)) => {
            for (number, base) in numbers.iter_mut().zip(before) {
                *number += base;
            }
            Ok(numbers)
        }
        (true, None) => Err("a relative score needs an earlier one".into()),
    }
}

/// The scores of a rule that no line scores.
pub(super) fn default(name: &str, nice: bool) -> Scores {
    let plain = if name.starts_with("T_") { 0.01 } else { 1.0 };
    [if nice { -plain } else { plain }; 4]
}

/// `-?\d+(\.\d+)?`
fn decimal(text: &str) -> Option<f64> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let fits = match unsigned.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part),
        None => digits(unsigned),
    };
    fits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_has_one_value_or_four() {
        assert_eq!(read(&["1.5"], None), Ok([1.5; 4]));
        assert_eq!(read(&["0", "1", "-2", "3.25"], None), Ok([0.0, 1.0, -2.0, 3.25]));
        assert_eq!(read(&["(0.5)"], Some([1.0, 2.0, 3.0, 4.0])), Ok([1.5, 2.5, 3.5, 4.5]));
        for wrong in [&["1", "2"][..], &[], &["1."], &[".5"], &["1e3"], &["+1"], &["(1)"]] {
            assert!(read(wrong, None).is_err(), "{wrong:?}");
        }
    }
}
