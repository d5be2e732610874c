//! Charsets that belong to the languages a site reads (`ok_locales`); all others are far away.

/// Charsets of one locale beyond those that are always accepted, upper case without punctuation.
const CHARSETS: &[(&str, &[&str])] = &[
    (
        "ja",
        &[
            "EUCJP",
            "JISX020119760",
            "JISX020819830",
            "JISX020819900",
            "JISX020819970",
            "JISX021219900",
            "JISX021320001",
            "JISX021320002",
            "SHIFT_JIS",
            "SHIFTJIS",
            "ISO2022JP",
            "SJIS",
            "JIS7",
            "JISX0201",
            "JISX0208",
            "JISX0212",
        ],
    ),
    ("ko", &["EUCKR", "KSC56011987"]),
    ("ru", CYRILLIC),
    ("ka", CYRILLIC),
    ("tg", CYRILLIC),
    ("be", CYRILLIC),
    ("uk", CYRILLIC),
    ("bg", CYRILLIC),
    ("th", &["TIS620"]),
    ("zh", &["GB1988", "GB2312", "GB231219800", "GB18030", "GBK", "BIG5HKSCS", "BIG5", "EUCTW", "ISO2022CN"]),
];

const CYRILLIC: &[&str] = &["KOI8R", "KOI8U", "KOI8T", "ISOIR111", "CP1251", "GEORGIANPS", "PT154", "CP866"];

/// Whether `ok_locales` accepts every charset.
pub(super) fn all(locales: &str) -> bool {
    locales.split_whitespace().any(|locale| locale == "all")
}

/// Whether a charset fits one of the locales; those of western European use always do.
pub(super) fn accept(charset: &str, locales: &str) -> bool {
    let name: String = charset.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    // What quoted-printable leaves of "=3D".
    let name = name.strip_prefix("3D").unwrap_or(&name);
    let western = matches!(name, "USASCII" | "ASCII" | "IBM852" | "XUNKNOWN" | "ISO")
        || ["ISO8859", "ISO10646", "UTF", "UCS", "CP125", "WINDOWS", "UNICODE11UTF7", "UNICODE11UTF8"]
            .iter()
            .any(|start| name.starts_with(start));
    western
        || locales.split_whitespace().any(|locale| {
            let language = locale.get(..2).unwrap_or(locale);
            CHARSETS.iter().any(|(known, charsets)| *known == language && (name.is_empty() || charsets.contains(&name)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charset_is_far_away_unless_its_locale_is_read() {
        assert!(accept("iso-8859-5", "en"));
        assert!(!accept("koi8-r", "en"));
        assert!(accept("koi8-r", "en ru_RU.KOI8-R"));
        assert!(accept("3Dgb2312", "zh"));
        assert!(all("en all"));
    }
}
