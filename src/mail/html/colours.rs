//! Colours as HTML attributes and CSS write them, read as leniently as SpamAssassin reads them.

/// A colour value after reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Rgb(u8, u8, u8),
    /// A lone `#`.
    Empty,
    /// Neither a name nor a hexadecimal number: no reader agrees on it.
    Invalid,
}

pub const BLACK: Colour = Colour::Rgb(0, 0, 0);
pub const WHITE: Colour = Colour::Rgb(255, 255, 255);

/// The names of CSS Color Module Level 3 §4.3, in order.
#[rustfmt::skip]
const NAMES: &[(&str, u32)] = &[
    ("aliceblue", 0xf0f8ff), ("antiquewhite", 0xfaebd7), ("aqua", 0x00ffff), ("aquamarine", 0x7fffd4), ("azure", 0xf0ffff),
    ("beige", 0xf5f5dc), ("bisque", 0xffe4c4), ("black", 0x000000), ("blanchedalmond", 0xffebcd), ("blue", 0x0000ff),
    ("blueviolet", 0x8a2be2), ("brown", 0xa52a2a), ("burlywood", 0xdeb887), ("cadetblue", 0x5f9ea0),
    ("chartreuse", 0x7fff00), ("chocolate", 0xd2691e), ("coral", 0xff7f50), ("cornflowerblue", 0x6495ed),
    ("cornsilk", 0xfff8dc), ("crimson", 0xdc143c), ("cyan", 0x00ffff), ("darkblue", 0x00008b), ("darkcyan", 0x008b8b),
    ("darkgoldenrod", 0xb8860b), ("darkgray", 0xa9a9a9), ("darkgreen", 0x006400), ("darkgrey", 0xa9a9a9),
    ("darkkhaki", 0xbdb76b), ("darkmagenta", 0x8b008b), ("darkolivegreen", 0x556b2f), ("darkorange", 0xff8c00),
    ("darkorchid", 0x9932cc), ("darkred", 0x8b0000), ("darksalmon", 0xe9967a), ("darkseagreen", 0x8fbc8f),
    ("darkslateblue", 0x483d8b), ("darkslategray", 0x2f4f4f), ("darkslategrey", 0x2f4f4f), ("darkturquoise", 0x00ced1),
    ("darkviolet", 0x9400d3), ("deeppink", 0xff1493), ("deepskyblue", 0x00bfff), ("dimgray", 0x696969),
    ("dimgrey", 0x696969), ("dodgerblue", 0x1e90ff), ("firebrick", 0xb22222), ("floralwhite", 0xfffaf0),
    ("forestgreen", 0x228b22), ("fuchsia", 0xff00ff), ("gainsboro", 0xdcdcdc), ("ghostwhite", 0xf8f8ff), ("gold", 0xffd700),
    ("goldenrod", 0xdaa520), ("gray", 0x808080), ("green", 0x008000), ("greenyellow", 0xadff2f), ("grey", 0x808080),
    ("honeydew", 0xf0fff0), ("hotpink", 0xff69b4), ("indianred", 0xcd5c5c), ("indigo", 0x4b0082), ("ivory", 0xfffff0),
    ("khaki", 0xf0e68c), ("lavender", 0xe6e6fa), ("lavenderblush", 0xfff0f5), ("lawngreen", 0x7cfc00),
    ("lemonchiffon", 0xfffacd), ("lightblue", 0xadd8e6), ("lightcoral", 0xf08080), ("lightcyan", 0xe0ffff),
    ("lightgoldenrodyellow", 0xfafad2), ("lightgray", 0xd3d3d3), ("lightgreen", 0x90ee90), ("lightgrey", 0xd3d3d3),
    ("lightpink", 0xffb6c1), ("lightsalmon", 0xffa07a), ("lightseagreen", 0x20b2aa), ("lightskyblue", 0x87cefa),
    ("lightslategray", 0x778899), ("lightslategrey", 0x778899), ("lightsteelblue", 0xb0c4de), ("lightyellow", 0xffffe0),
    ("lime", 0x00ff00), ("limegreen", 0x32cd32), ("linen", 0xfaf0e6), ("magenta", 0xff00ff), ("maroon", 0x800000),
    ("mediumaquamarine", 0x66cdaa), ("mediumblue", 0x0000cd), ("mediumorchid", 0xba55d3), ("mediumpurple", 0x9370db),
    ("mediumseagreen", 0x3cb371), ("mediumslateblue", 0x7b68ee), ("mediumspringgreen", 0x00fa9a),
    ("mediumturquoise", 0x48d1cc), ("mediumvioletred", 0xc71585), ("midnightblue", 0x191970), ("mintcream", 0xf5fffa),
    ("mistyrose", 0xffe4e1), ("moccasin", 0xffe4b5), ("navajowhite", 0xffdead), ("navy", 0x000080), ("oldlace", 0xfdf5e6),
    ("olive", 0x808000), ("olivedrab", 0x6b8e23), ("orange", 0xffa500), ("orangered", 0xff4500), ("orchid", 0xda70d6),
    ("palegoldenrod", 0xeee8aa), ("palegreen", 0x98fb98), ("paleturquoise", 0xafeeee), ("palevioletred", 0xdb7093),
    ("papayawhip", 0xffefd5), ("peachpuff", 0xffdab9), ("peru", 0xcd853f), ("pink", 0xffc0cb), ("plum", 0xdda0dd),
    ("powderblue", 0xb0e0e6), ("purple", 0x800080), ("red", 0xff0000), ("rosybrown", 0xbc8f8f), ("royalblue", 0x4169e1),
    ("saddlebrown", 0x8b4513), ("salmon", 0xfa8072), ("sandybrown", 0xf4a460), ("seagreen", 0x2e8b57),
    ("seashell", 0xfff5ee), ("sienna", 0xa0522d), ("silver", 0xc0c0c0), ("skyblue", 0x87ceeb), ("slateblue", 0x6a5acd),
    ("slategray", 0x708090), ("slategrey", 0x708090), ("snow", 0xfffafa), ("springgreen", 0x00ff7f), ("steelblue", 0x4682b4),
    ("tan", 0xd2b48c), ("teal", 0x008080), ("thistle", 0xd8bfd8), ("tomato", 0xff6347), ("turquoise", 0x40e0d0),
    ("violet", 0xee82ee), ("wheat", 0xf5deb3), ("white", 0xffffff), ("whitesmoke", 0xf5f5f5), ("yellow", 0xffff00),
    ("yellowgreen", 0x9acd32),
];

impl Colour {
    fn from_number(rgb: u32) -> Colour {
        let [_, r, g, b] = rgb.to_be_bytes();
        Colour::Rgb(r, g, b)
    }

    /// The value of a `color` attribute or property: a name, hexadecimal digits after `#`, or `rgb(…)`.
    pub fn parse(text: &str) -> Colour {
        // Most colours are written `#rrggbb`.
        if let [b'#', digits @ ..] = text.as_bytes()
            && digits.len() == 6
            && digits.iter().all(u8::is_ascii_hexdigit)
            && let Some(rgb) = text.get(1..).and_then(|digits| u32::from_str_radix(digits, 16).ok())
        {
            return Colour::from_number(rgb);
        }
        let lower = text.to_ascii_lowercase();
        let value = lower.trim();
        if let Ok(at) = NAMES.binary_search_by(|(name, _)| (*name).cmp(value)) {
            return NAMES.get(at).map_or(Colour::Invalid, |(_, rgb)| Colour::from_number(*rgb));
        }
        if value.starts_with('#') && value.bytes().all(|b| b == b'#' || b.is_ascii_hexdigit()) {
            return Colour::from_hex(value);
        }
        match rgb_function(value) {
            Some(hex) => Colour::from_hex(&hex),
            // A value that merely holds some `rgb(…)` keeps its hexadecimal start, where it has one.
            None if value.starts_with('#') && holds_rgb(value) => Colour::from_hex(value),
            None => Colour::Invalid,
        }
    }

    /// CSS `rgb`, `rgba` in any notation: the first three comma-separated numbers, whatever stands between their digits.
    pub fn from_css_rgb(text: &str) -> Colour {
        let kept: String = text.chars().filter(|c| c.is_ascii_digit() || *c == ',').collect();
        let mut parts = kept.split(',').map(|digits| match digits.trim_start_matches('0') {
            "" => 0,
            significant => significant.parse::<u8>().unwrap_or(u8::MAX),
        });
        let mut next = || parts.next().unwrap_or(0);
        Colour::Rgb(next(), next(), next())
    }

    /// Hexadecimal digits among other characters: cut to six, or to three where fewer than six; one or two are padded
    /// with zeros; three are doubled.
    fn from_hex(text: &str) -> Colour {
        let mut digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).take(6).collect();
        if digits.is_empty() {
            return Colour::Empty;
        }
        if digits.len() < 6 {
            digits.resize(3, 0);
            digits = digits.iter().flat_map(|d| [*d, *d]).collect();
        }
        match digits[..] {
            [a, b, c, d, e, f] => Colour::Rgb(a << 4 | b, c << 4 | d, e << 4 | f),
            _ => Colour::Invalid,
        }
    }

    /// Whether a reader can hardly tell the two apart: equal, or nearer than 12 by brightness-weighted distance.
    pub fn blends_with(self, ground: Colour) -> bool {
        let (Colour::Rgb(r1, g1, b1), Colour::Rgb(r2, g2, b2)) = (self, ground) else { return self == ground };
        let part = |weight: f64, a: u8, b: u8| (weight * (f64::from(a) - f64::from(b))).powi(2);
        (part(0.2126, r1, r2) + part(0.7152, g1, g2) + part(0.0722, b1, b2)).sqrt() < 12.0
    }
}

/// `rgb(` digits, percent signs, commas and spaces `)` stands somewhere in the value.
fn holds_rgb(value: &str) -> bool {
    value.match_indices("rgb(").any(|(at, word)| {
        let rest = value.get(at + word.len()..).unwrap_or("");
        rest.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '%' | ',' | ' ')).starts_with(')')
    })
}

/// The numbers of the first well-formed `rgb(r, g, b)` or `rgb(r%, g%, b%)` as hexadecimal text. Numbers are not capped,
/// so that a large one shifts the digits after it, as in SpamAssassin.
fn rgb_function(value: &str) -> Option<String> {
    if !holds_rgb(value) {
        return None;
    }
    let hex = |n: u64| format!("{n:02x}");
    let find = |percent: bool| value.match_indices("rgb(").find_map(|(at, word)| three_numbers(value.get(at + word.len()..)?, percent));
    if let Some(percents) = find(true) {
        return Some(percents.iter().map(|n| hex((*n as f64 / 100.0 * 255.0) as u64)).collect());
    }
    find(false).map(|numbers| numbers.iter().map(|n| hex(*n)).collect())
}

fn three_numbers(mut rest: &str, percent: bool) -> Option<[u64; 3]> {
    let mut numbers = [0; 3];
    for (index, number) in numbers.iter_mut().enumerate() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        *number = rest.get(..end)?.parse().ok()?;
        rest = rest.get(end..)?;
        if percent {
            rest = rest.strip_prefix('%')?;
        }
        if index < 2 {
            rest = rest.strip_prefix(',')?.trim_start();
        }
    }
    rest.trim_start().starts_with(')').then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order() {
        assert!(NAMES.is_sorted());
    }

    #[test]
    fn a_colour_is_read_as_leniently_as_spamassassin_reads_it() {
        for (text, colour) in [
            ("Red", Colour::Rgb(255, 0, 0)),
            (" #fff ", WHITE),
            ("#ffffff80", WHITE),
            ("#12345", Colour::Rgb(0x11, 0x22, 0x33)),
            ("#1", Colour::Rgb(0x11, 0, 0)),
            ("#", Colour::Empty),
            ("", Colour::Invalid),
            ("ffffff", Colour::Invalid),
            ("'red'", Colour::Invalid),
            ("rgb(255, 255,255)", WHITE),
            ("rgb(100%,0%,0%)", Colour::Rgb(255, 0, 0)),
            ("hsl(0, 0%, 0%)", Colour::Invalid),
        ] {
            assert_eq!(Colour::parse(text), colour, "{text}");
        }
        assert_eq!(Colour::from_css_rgb("rgba(1, 300, 003, 0.5)"), Colour::Rgb(1, 255, 3));
        assert_eq!(Colour::from_css_rgb("rgb()"), BLACK);
    }

    #[test]
    fn near_colours_blend() {
        assert!(Colour::Rgb(250, 250, 250).blends_with(WHITE));
        assert!(!Colour::Rgb(200, 200, 200).blends_with(WHITE));
        assert!(Colour::Invalid.blends_with(Colour::Invalid));
        assert!(!Colour::Invalid.blends_with(WHITE));
    }
}
