//! The style of text while a document is read: a stack of what open elements ask for, and whether the text can be seen.

use super::colours::{BLACK, Colour, WHITE};
use super::elements::{ELEMENTS, Styling, row_of};
use std::borrow::Cow;

const TABLE: usize = row_of("table");
const TR: usize = row_of("tr");
const TD: usize = row_of("td");
const TH: usize = row_of("th");
const FONT: usize = row_of("font");
const BODY: usize = row_of("body");

#[derive(Clone, Copy, Debug, PartialEq)]
struct Style {
    /// The row of the element that opened it, none for the document itself; `th` counts as `td`.
    row: Option<usize>,
    colour: Colour,
    background: Colour,
    size: f64,
    /// `display: none`.
    undisplayed: bool,
    /// `visibility: hidden`.
    hidden: bool,
}

/// Why text is not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    LowContrast,
    InvalidColour,
    /// Too small, not displayed, or hidden.
    Hidden,
}

/// A `style` attribute that SpamAssassin's reader of backgrounds cannot take; the rest of the document is not read.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable;

pub struct Styles {
    stack: Vec<Style>,
    /// How many of each element the stack holds, so that a stray end tag costs no search.
    open: [usize; ELEMENTS.len()],
    /// The size that relative sizes start from.
    base: f64,
    pub largest: f64,
    pub smallest: f64,
}

/// Attribute values, decoded, by lower-case name.
pub trait Attributes {
    fn value(&self, name: &str) -> Option<Cow<'_, str>>;
}

impl Styles {
    pub fn new() -> Styles {
        let start = Style { row: None, colour: BLACK, background: WHITE, size: 3.0, undisplayed: false, hidden: false };
        Styles { stack: vec![start], open: [0; ELEMENTS.len()], base: 3.0, largest: 3.0, smallest: 3.0 }
    }

    fn push(&mut self, row: usize, style: Style) {
        self.open[row] += 1;
        self.stack.push(Style { row: Some(row), ..style });
    }

    fn pop(&mut self) -> Option<usize> {
        let row = self.stack.pop()?.row?;
        self.open[row] -= 1;
        Some(row)
    }

    fn top(&self) -> Option<&Style> {
        self.stack.last()
    }

    /// `row`: of the element table.
    pub fn open(&mut self, row: usize, styling: Styling, attributes: &impl Attributes) -> Result<(), Unreadable> {
        let row = if row == TH { TD } else { row };
        if styling == Styling::BaseFont
            && let Some(size) = attributes.value("size").as_deref().and_then(|text| leading_number(text.trim_start()))
        {
            self.base = size;
            return Ok(());
        }
        if matches!(row, TD | TR) {
            self.close_cells(row);
        }
        let Some(outer) = self.top().copied() else { return Ok(()) };
        let mut style = outer;
        let touched = match styling {
            Styling::None => false,
            Styling::Bigger | Styling::Smaller => {
                style.size += if styling == Styling::Bigger { 1.0 } else { -1.0 };
                false
            }
            Styling::Css => match attributes.value("style") {
                Some(css) => {
                    style.apply(&css, &outer)?;
                    true
                }
                None => attributes.value("bgcolor").is_some() && matches!(row, TABLE | TD | TR),
            },
            Styling::Font | Styling::BaseFont => self.apply_font(&mut style, attributes),
            Styling::Body => {
                let text = attributes.value("text");
                if let Some(colour) = &text {
                    style.colour = Colour::parse(colour);
                }
                text.is_some() || ["bgcolor", "link", "alink", "vlink", "background"].iter().any(|name| attributes.value(name).is_some())
            }
        };
        if touched {
            if style.size > self.largest {
                self.largest = style.size;
            } else if style.size < self.smallest {
                self.smallest = style.size;
            }
        }
        self.push(row, style);
        Ok(())
    }

    fn apply_font(&self, style: &mut Style, attributes: &impl Attributes) -> bool {
        let colour = attributes.value("color");
        if let Some(colour) = &colour {
            style.colour = Colour::parse(colour);
        }
        let size = attributes.value("size");
        if let Some(text) = size.as_deref().map(str::trim_start) {
            let relative = match text.as_bytes().first() {
                Some(b'+') => Some(1.0),
                Some(b'-') => Some(-1.0),
                _ => None,
            };
            match (relative, leading_number(text.get(relative.map_or(0, |_| 1)..).unwrap_or(""))) {
                (Some(sign), Some(number)) => style.size = self.base + sign * number,
                (None, Some(number)) => style.size = number,
                (_, None) => {}
            }
        }
        colour.is_some() || size.is_some() || attributes.value("face").is_some()
    }

    /// `<td>` and `<tr>` close what their optional end tags would have closed.
    fn close_cells(&mut self, row: usize) {
        if self.open[row] == 0 {
            return;
        }
        while let Some(top) = self.top() {
            let closes = matches!(top.row, Some(FONT | TD)) || (row == TR && top.row == Some(TR));
            if !closes {
                break;
            }
            self.pop();
        }
    }

    /// Closes everything up to the innermost element of that name; browsers go on after `</body>`.
    pub fn close(&mut self, row: usize) {
        let row = if row == TH { TD } else { row };
        if row == BODY || self.open[row] == 0 {
            return;
        }
        while let Some(closed) = self.pop() {
            if closed == row {
                break;
            }
        }
    }

    /// Why text that stands here is not seen; `None`: it is.
    pub fn unseen(&self) -> Option<Unseen> {
        let style = self.top()?;
        if style.colour.blends_with(style.background) {
            Some(Unseen::LowContrast)
        } else if style.colour == Colour::Invalid || style.background == Colour::Invalid {
            Some(Unseen::InvalidColour)
        } else if style.size <= 1.0 || style.undisplayed || style.hidden {
            Some(Unseen::Hidden)
        } else {
            None
        }
    }
}

impl Style {
    /// Applies the declarations of a `style` attribute, in SpamAssassin's reading of them.
    fn apply(&mut self, css: &str, outer: &Style) -> Result<(), Unreadable> {
        // `transparent` waits for the end, since it takes what is below.
        let (mut clear_text, mut clear_ground) = (false, false);
        let mut rest = Some(css);
        while let Some(text) = rest {
            let end = memchr::memchr(b';', text.as_bytes());
            rest = end.and_then(|at| text.get(at + 1..));
            // No other property is read.
            let first = text.bytes().find(|b| !matches!(b, b' ' | b'\t'..=b'\r'));
            if !first.is_some_and(|b| matches!(b, b'b' | b'B' | b'c' | b'C' | b'd' | b'v') || !b.is_ascii()) {
                continue;
            }
            let declaration = text.get(..end.unwrap_or(text.len())).unwrap_or("").trim_start();
            if let Some(rest) = strip_prefix_ignoring_case(declaration, "background-color:") {
                if let Some(value) = value_of(rest) {
                    read_colour(value, &mut self.background, &mut clear_ground);
                    continue;
                }
            } else if let Some(rest) = strip_prefix_ignoring_case(declaration, "color:") {
                if let Some(value) = value_of(rest) {
                    read_colour(value, &mut self.colour, &mut clear_text);
                    continue;
                }
            } else if let Some(rest) = declaration.strip_prefix("background:")
                && let Some(value) = value_of(rest)
            {
                if let Some(colour) = background_colour(&value.to_lowercase())? {
                    self.background = colour;
                    clear_ground = false;
                }
                continue;
            }
            let Some((name, rest)) = declaration.split_once(':') else { continue };
            let Some(value) = value_of(rest.trim_start()).filter(|value| !value.trim().is_empty()) else { continue };
            match name.trim_end() {
                "display" => self.undisplayed = value.eq_ignore_ascii_case("none"),
                "visibility" => self.hidden = value.eq_ignore_ascii_case("hidden"),
                _ => {}
            }
        }
        if clear_ground {
            self.background = outer.background;
        }
        if clear_text {
            self.colour = self.background;
        }
        Ok(())
    }
}

fn strip_prefix_ignoring_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// A value without surrounding white space; `None` where it is empty or holds a line end. A value of white space alone
/// counts as one space.
fn value_of(rest: &str) -> Option<&str> {
    let value = rest.trim();
    if value.is_empty() {
        return rest.chars().any(|c| c != '\n').then_some(" ");
    }
    (!value.contains('\n')).then_some(value)
}

fn read_colour(value: &str, colour: &mut Colour, transparent: &mut bool) {
    let in_lower_case = value.is_ascii() && !value.bytes().any(|b| b.is_ascii_uppercase());
    let value = if in_lower_case { Cow::Borrowed(value) } else { Cow::Owned(value.to_lowercase()) };
    let value = without_important(&value);
    if value == "inherit" {
        return;
    }
    *transparent = value == "transparent";
    if value.contains("rgb") {
        *colour = Colour::from_css_rgb(value);
    } else if !*transparent {
        *colour = Colour::parse(value);
    }
}

fn without_important(value: &str) -> &str {
    let Some(rest) = value.strip_suffix("important") else { return value };
    let Some(rest) = rest.trim_end().strip_suffix('!') else { return value };
    rest.trim_end()
}

/// The first valid colour in the last layer of a `background` value.
fn background_colour(value: &str) -> Result<Option<Colour>, Unreadable> {
    let mut layer = Vec::new();
    let mut layers = 0;
    let mut token = String::new();
    let mut finished = Vec::new();
    let mut outside = Within::Value;
    for c in value.chars() {
        match (outside, c) {
            (Within::Value, ' ' | ',') => {
                if !token.is_empty() {
                    layer.push(std::mem::take(&mut token));
                }
                if c == ',' {
                    layers += 1;
                    // Kept until another layer follows: the last one counts.
                    finished.clear();
                    finished.append(&mut layer);
                }
                continue;
            }
            (Within::Value, '(') => outside = Within::Brackets,
            (Within::Value, '"' | '\'') => outside = Within::Quotes { quote: c, in_brackets: false },
            (Within::Value, _) => {}
            (Within::Brackets, ')') => {
                token.push(c);
                layer.push(std::mem::take(&mut token));
                outside = Within::Value;
                continue;
            }
            (Within::Brackets, '"' | '\'') => outside = Within::Quotes { quote: c, in_brackets: true },
            (Within::Brackets, _) => {}
            (Within::Quotes { quote, in_brackets }, _) if c == quote => {
                outside = if in_brackets { Within::Brackets } else { Within::Value };
            }
            (Within::Quotes { .. }, _) => {}
        }
        token.push(c);
    }
    if !token.is_empty() {
        layer.push(token);
    }
    let last = match (layer.is_empty(), layers) {
        (false, _) => layer,
        (true, 0) => return Err(Unreadable),
        (true, _) => finished,
    };
    Ok(last.iter().map(|value| Colour::parse(value)).find(|colour| *colour != Colour::Invalid))
}

#[derive(Clone, Copy)]
enum Within {
    Value,
    Brackets,
    Quotes { quote: char, in_brackets: bool },
}

/// The number that a text begins with.
fn leading_number(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pairs<'a>(&'a [(&'a str, &'a str)]);

    impl Attributes for Pairs<'_> {
        fn value(&self, name: &str) -> Option<Cow<'_, str>> {
            self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| Cow::Borrowed(*value))
        }
    }

    fn unseen(css: &str) -> Option<Unseen> {
        let mut styles = Styles::new();
        styles.open(row_of("p"), Styling::Css, &Pairs(&[("style", css)])).unwrap();
        styles.unseen()
    }

    #[test]
    fn hidden_text_is_found_by_its_style() {
        for (css, expected) in [
            ("color: white", Some(Unseen::LowContrast)),
            ("COLOR:#fffffe", Some(Unseen::LowContrast)),
            ("color : white", None),
            ("color: hsl(1)", Some(Unseen::InvalidColour)),
            ("color: ", Some(Unseen::InvalidColour)),
            ("color:", None),
            ("display:none", Some(Unseen::Hidden)),
            ("display : NONE ", Some(Unseen::Hidden)),
            ("Display:none", None),
            ("display: none !important", None),
            ("display:none; display: block", None),
            ("visibility: hidden", Some(Unseen::Hidden)),
            ("color: transparent", Some(Unseen::LowContrast)),
            ("color: inherit", None),
            ("color: white; background: url(x, y) no-repeat, #000 0 0", None),
            ("color: white; background: #000, url(x)", Some(Unseen::LowContrast)),
            ("color: white; BACKGROUND: #000", Some(Unseen::LowContrast)),
            ("color: white !important", Some(Unseen::LowContrast)),
            ("font-size: 1px", None),
        ] {
            assert_eq!(unseen(css), expected, "{css}");
        }
    }

    #[test]
    fn an_empty_background_cannot_be_read() {
        let mut styles = Styles::new();
        assert_eq!(styles.open(row_of("p"), Styling::Css, &Pairs(&[("style", "background: ;")])), Err(Unreadable));
    }

    #[test]
    fn an_end_tag_closes_down_to_its_start_and_a_stray_one_nothing() {
        let mut styles = Styles::new();
        styles.open(row_of("div"), Styling::Css, &Pairs(&[("style", "display:none")])).unwrap();
        styles.open(row_of("font"), Styling::Font, &Pairs(&[("size", "+4")])).unwrap();
        styles.close(row_of("span"));
        assert_eq!(styles.unseen(), Some(Unseen::Hidden));
        assert_eq!(styles.largest, 7.0);
        styles.close(row_of("div"));
        assert_eq!(styles.unseen(), None);
        assert_eq!(styles.stack.len(), 1);
    }
}
