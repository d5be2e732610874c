//! Logical lines of a Postfix table: comments and empty lines go, a line that begins with white space continues the one before.

/// Number of the first line, counted from 1, and the text.
pub(super) fn logical(text: &str) -> Vec<(u32, String)> {
    let mut lines: Vec<(u32, String)> = Vec::new();
    for (number, line) in (1u32..).zip(text.lines()) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        match lines.last_mut() {
            Some((_, whole)) if line.starts_with([' ', '\t']) => {
                whole.push(' ');
                whole.push_str(trimmed);
            }
            _ => lines.push((number, trimmed.to_owned())),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_goes_on_after_white_space_whatever_stands_between() {
        let text = "# comment\n\na  REJECT one\n  # inside\n\n\ttwo\nb OK\n";
        assert_eq!(super::logical(text), [(3, "a  REJECT one two".to_owned()), (7, "b OK".to_owned())]);
    }
}
