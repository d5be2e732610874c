//! Character references of HTML 4, decoded as HTML::Parser 3.81 decodes them.

use super::Text;
use std::borrow::Cow;

/// Names and code points (HTML 4.01 §24, and XML's `apos`), in order. Those of Latin-1 are known without their
/// semicolon, all others only with it, which is written here as part of the name.
#[rustfmt::skip]
const NAMED: &[(&str, u32)] = &[
    ("AElig", 198), ("Aacute", 193), ("Acirc", 194), ("Agrave", 192), ("Alpha;", 913), ("Aring", 197), ("Atilde", 195),
    ("Auml", 196), ("Beta;", 914), ("Ccedil", 199), ("Chi;", 935), ("Dagger;", 8225), ("Delta;", 916), ("ETH", 208),
    ("Eacute", 201), ("Ecirc", 202), ("Egrave", 200), ("Epsilon;", 917), ("Eta;", 919), ("Euml", 203), ("Gamma;", 915),
    ("Iacute", 205), ("Icirc", 206), ("Igrave", 204), ("Iota;", 921), ("Iuml", 207), ("Kappa;", 922), ("Lambda;", 923),
    ("Mu;", 924), ("Ntilde", 209), ("Nu;", 925), ("OElig;", 338), ("Oacute", 211), ("Ocirc", 212), ("Ograve", 210),
    ("Omega;", 937), ("Omicron;", 927), ("Oslash", 216), ("Otilde", 213), ("Ouml", 214), ("Phi;", 934), ("Pi;", 928),
    ("Prime;", 8243), ("Psi;", 936), ("Rho;", 929), ("Scaron;", 352), ("Sigma;", 931), ("THORN", 222), ("Tau;", 932),
    ("Theta;", 920), ("Uacute", 218), ("Ucirc", 219), ("Ugrave", 217), ("Upsilon;", 933), ("Uuml", 220), ("Xi;", 926),
    ("Yacute", 221), ("Yuml;", 376), ("Zeta;", 918), ("aacute", 225), ("acirc", 226), ("acute", 180), ("aelig", 230),
    ("agrave", 224), ("alefsym;", 8501), ("alpha;", 945), ("amp", 38), ("and;", 8743), ("ang;", 8736), ("apos", 39),
    ("aring", 229), ("asymp;", 8776), ("atilde", 227), ("auml", 228), ("bdquo;", 8222), ("beta;", 946), ("brvbar", 166),
    ("bull;", 8226), ("cap;", 8745), ("ccedil", 231), ("cedil", 184), ("cent", 162), ("chi;", 967), ("circ;", 710),
    ("clubs;", 9827), ("cong;", 8773), ("copy", 169), ("crarr;", 8629), ("cup;", 8746), ("curren", 164), ("dArr;", 8659),
    ("dagger;", 8224), ("darr;", 8595), ("deg", 176), ("delta;", 948), ("diams;", 9830), ("divide", 247), ("eacute", 233),
    ("ecirc", 234), ("egrave", 232), ("empty;", 8709), ("emsp;", 8195), ("ensp;", 8194), ("epsilon;", 949), ("equiv;", 8801),
    ("eta;", 951), ("eth", 240), ("euml", 235), ("euro;", 8364), ("exist;", 8707), ("fnof;", 402), ("forall;", 8704),
    ("frac12", 189), ("frac14", 188), ("frac34", 190), ("frasl;", 8260), ("gamma;", 947), ("ge;", 8805), ("gt", 62),
    ("hArr;", 8660), ("harr;", 8596), ("hearts;", 9829), ("hellip;", 8230), ("iacute", 237), ("icirc", 238), ("iexcl", 161),
    ("igrave", 236), ("image;", 8465), ("infin;", 8734), ("int;", 8747), ("iota;", 953), ("iquest", 191), ("isin;", 8712),
    ("iuml", 239), ("kappa;", 954), ("lArr;", 8656), ("lambda;", 955), ("lang;", 9001), ("laquo", 171), ("larr;", 8592),
    ("lceil;", 8968), ("ldquo;", 8220), ("le;", 8804), ("lfloor;", 8970), ("lowast;", 8727), ("loz;", 9674), ("lrm;", 8206),
    ("lsaquo;", 8249), ("lsquo;", 8216), ("lt", 60), ("macr", 175), ("mdash;", 8212), ("micro", 181), ("middot", 183),
    ("minus;", 8722), ("mu;", 956), ("nabla;", 8711), ("nbsp", 160), ("ndash;", 8211), ("ne;", 8800), ("ni;", 8715),
    ("not", 172), ("notin;", 8713), ("nsub;", 8836), ("ntilde", 241), ("nu;", 957), ("oacute", 243), ("ocirc", 244),
    ("oelig;", 339), ("ograve", 242), ("oline;", 8254), ("omega;", 969), ("omicron;", 959), ("oplus;", 8853), ("or;", 8744),
    ("ordf", 170), ("ordm", 186), ("oslash", 248), ("otilde", 245), ("otimes;", 8855), ("ouml", 246), ("para", 182),
    ("part;", 8706), ("permil;", 8240), ("perp;", 8869), ("phi;", 966), ("pi;", 960), ("piv;", 982), ("plusmn", 177),
    ("pound", 163), ("prime;", 8242), ("prod;", 8719), ("prop;", 8733), ("psi;", 968), ("quot", 34), ("rArr;", 8658),
    ("radic;", 8730), ("rang;", 9002), ("raquo", 187), ("rarr;", 8594), ("rceil;", 8969), ("rdquo;", 8221), ("real;", 8476),
    ("reg", 174), ("rfloor;", 8971), ("rho;", 961), ("rlm;", 8207), ("rsaquo;", 8250), ("rsquo;", 8217), ("sbquo;", 8218),
    ("scaron;", 353), ("sdot;", 8901), ("sect", 167), ("shy", 173), ("sigma;", 963), ("sigmaf;", 962), ("sim;", 8764),
    ("spades;", 9824), ("sub;", 8834), ("sube;", 8838), ("sum;", 8721), ("sup1", 185), ("sup2", 178), ("sup3", 179),
    ("sup;", 8835), ("supe;", 8839), ("szlig", 223), ("tau;", 964), ("there4;", 8756), ("theta;", 952), ("thetasym;", 977),
    ("thinsp;", 8201), ("thorn", 254), ("tilde;", 732), ("times", 215), ("trade;", 8482), ("uArr;", 8657), ("uacute", 250),
    ("uarr;", 8593), ("ucirc", 251), ("ugrave", 249), ("uml", 168), ("upsih;", 978), ("upsilon;", 965), ("uuml", 252),
    ("weierp;", 8472), ("xi;", 958), ("yacute", 253), ("yen", 165), ("yuml", 255), ("zeta;", 950), ("zwj;", 8205),
    ("zwnj;", 8204),
];

/// Longest name with its semicolon.
const LONGEST: usize = 9;

fn named(name: &str) -> Option<char> {
    let at = NAMED.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    NAMED.get(at).and_then(|(_, code)| char::from_u32(*code))
}

/// Decodes the references of a text (`prefixes`: the longest known beginning of a name counts, so `&notit;` is `¬it;`)
/// or of an attribute value (whole names only). Characters above U+00FF make the text wide.
pub fn decode<'t>(text: &'t str, wide: bool, prefixes: bool) -> (Cow<'t, str>, bool) {
    let Some(first) = memchr::memchr(b'&', text.as_bytes()) else { return (Cow::Borrowed(text), wide) };
    let mut out = Decoder { out: String::with_capacity(text.len()), wide, high: None };
    let mut rest = text;
    let mut next = Some(first);
    while let Some(at) = next {
        let (plain, reference) = rest.split_at(at);
        if !plain.is_empty() {
            out.high = None;
        }
        out.out.push_str(plain);
        rest = out.reference(reference, prefixes);
        next = memchr::memchr(b'&', rest.as_bytes());
    }
    out.out.push_str(rest);
    (Cow::Owned(out.out), out.wide)
}

/// As `decode`, for octets that may be UTF-8 (each char of `text` an octet): they are read as UTF-8 where they can be,
/// and written back as its octets, whatever they were.
pub fn decode_octets(text: &str, prefixes: bool) -> Text {
    let octets: Vec<u8> = text.chars().map(|c| c as u32 as u8).collect();
    let read = String::from_utf8(octets).unwrap_or_else(|_| text.to_owned());
    let (decoded, _) = decode(&read, true, prefixes);
    Text { chars: decoded.bytes().map(char::from).collect(), wide: false }
}

struct Decoder {
    out: String,
    wide: bool,
    /// The high surrogate that stands as U+FFFD at the end of `out`.
    high: Option<u32>,
}

impl Decoder {
    /// Takes the reference that `text` begins with; gives what follows it.
    fn reference<'t>(&mut self, text: &'t str, prefixes: bool) -> &'t str {
        let (end, found) = match text.as_bytes().get(1) {
            Some(b'#') => self.numeric(text),
            _ => {
                self.high = None;
                name_at(text, prefixes)
            }
        };
        match found {
            Some(c) => {
                self.wide |= c as u32 > 0xFF;
                self.out.push(c);
                let rest = text.get(end..).unwrap_or("");
                rest.strip_prefix(';').unwrap_or(rest)
            }
            None => {
                self.out.push_str(text.get(..end).unwrap_or(""));
                text.get(end..).unwrap_or("")
            }
        }
    }

    /// `&#65`, `&#x41`. Zero, what lies beyond Unicode, and U+FFFE and U+FFFF stay as written; surrogates and other
    /// noncharacters become U+FFFD, but two halves side by side are joined.
    fn numeric(&mut self, text: &str) -> (usize, Option<char>) {
        let bytes = text.as_bytes();
        let hex = matches!(bytes.get(2), Some(b'x' | b'X'));
        let mut end = if hex { 3 } else { 2 };
        let radix = if hex { 16 } else { 10 };
        let mut number = 0u32;
        while let Some(digit) = bytes.get(end).and_then(|b| char::from(*b).to_digit(radix)) {
            number = number * radix + digit;
            if number > 0x10FFFF {
                return (end, None);
            }
            end += 1;
        }
        let code = match number {
            0 => return (end, None),
            1..=0xFF if !self.wide => number,
            0xFFFE | 0xFFFF => return (end, None),
            0xDC00..=0xDFFF => match self.high.take() {
                Some(high) => {
                    self.out.pop();
                    ((high - 0xD800) << 10) + (number - 0xDC00) + 0x10000
                }
                None => 0xFFFD,
            },
            0xD800..=0xDBFF => {
                self.high = Some(number);
                return (end, Some('\u{FFFD}'));
            }
            0xFDD0..=0xFDEF => 0xFFFD,
            _ if number & 0xFFFE == 0xFFFE => 0xFFFD,
            _ => number,
        };
        self.high = None;
        (end, char::from_u32(code))
    }
}

fn name_at(text: &str, prefixes: bool) -> (usize, Option<char>) {
    let bytes = text.as_bytes();
    let end = 1 + bytes.iter().skip(1).take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    let known = |end: usize| text.get(1..end).filter(|name| name.len() <= LONGEST).and_then(named);
    if let Some(c) = known(end) {
        return (end, Some(c));
    }
    if bytes.get(end) == Some(&b';')
        && let Some(c) = known(end + 1)
    {
        return (end, Some(c));
    }
    if prefixes {
        for shorter in (2..end.min(LONGEST + 2)).rev() {
            if let Some(c) = known(shorter) {
                return (shorter, Some(c));
            }
        }
    }
    (end, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> String {
        decode(source, false, true).0.into_owned()
    }

    #[test]
    fn names_are_in_order() {
        assert!(NAMED.is_sorted());
        assert_eq!(NAMED.iter().map(|(name, _)| name.len()).max(), Some(LONGEST));
    }

    #[test]
    fn a_reference_is_decoded_where_html_parser_decodes_it() {
        assert_eq!(text("&lt;&LT;&amp;amp;&#65;&#x42&#0;&#;&#1114112;"), "<&LT;&amp;AB&#0;&#;&#1114112;");
        assert_eq!(text("&notit; &copyx &OElig &OElig; &apos &amp_x"), "¬it; ©x &OElig Œ ' &_x");
        assert_eq!(text("&#133;"), "\u{85}");
    }

    #[test]
    fn an_attribute_value_knows_whole_names_only() {
        assert_eq!(decode("?a=1&copy=2&copyx&amp_x", false, false).0, "?a=1©=2&copyx&amp_x");
    }

    #[test]
    fn halves_of_a_pair_join_side_by_side_only() {
        assert_eq!(text("&#55357;&#56832;|&#xD83D;x&#xDE00;|&#65534;|&#64976;"), "😀|\u{FFFD}x\u{FFFD}|&#65534;|\u{FFFD}");
    }

    #[test]
    fn a_character_above_latin_1_makes_the_text_wide() {
        assert!(!decode("&eacute;", false, true).1);
        assert!(decode("&eacute;&euro;", false, true).1);
    }

    #[test]
    fn undecoded_octets_stay_octets() {
        assert_eq!(decode_octets("\u{c3}\u{a9}&eacute;", true).chars, "\u{c3}\u{a9}\u{c3}\u{a9}");
    }
}
