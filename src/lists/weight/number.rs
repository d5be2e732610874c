//! Numbers as Perl prints and rounds them.

/// `%.15g`, as Perl prints a number.
pub fn shown(value: f64) -> String {
    let rounded = significant(value, 15);
    if rounded == 0.0 { "0".to_owned() } else { rounded.to_string() }
}

/// To three places behind the point, by way of significant digits.
pub fn rounded(value: f64) -> f64 {
    let text = shown(value);
    match text.find('.') {
        Some(point) => significant(value, point + 3 - usize::from(text.starts_with('-'))),
        None => value,
    }
}

fn significant(value: f64, digits: usize) -> f64 {
    format!("{:.*e}", digits.saturating_sub(1), value).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_in_perl() {
        for (value, text) in [(3.25, "3.25"), (-1.5, "-1.5"), (0.1 + 0.2, "0.3"), (4.0, "4"), (-0.0, "0"), (-4.6 + 4.3, "-0.3")] {
            assert_eq!(shown(value), text);
        }
        assert_eq!(shown(rounded(1.234_56)), "1.235");
        assert_eq!(shown(rounded(-12.345_67)), "-12.346");
    }
}
