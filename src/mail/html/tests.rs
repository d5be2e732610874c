//! The renderer as rules meet it: what is text, what is seen, what counts, and what hostile documents cost.

use super::*;
use crate::mail::links::LinkKind;

fn html(source: &str) -> Rendered {
    render(source, Input::Characters, source.len())
}

fn text(source: &str) -> String {
    html(source).text.chars
}

#[test]
fn elements_put_white_space_where_readers_break_lines() {
    for (source, expected) in [
        ("a<br>b<br/>c<br />d", "a\nb\nc\nd"),
        ("<p>a </p><p>b</p>", "\n\na\n\n\n\nb\n\n"),
        ("<td>a</td><td>b</td>", " a  b "),
        ("a<span>b</span><unknown>c</unknown>", "abc"),
        ("a \n\t b", "a b"),
        ("a&nbsp;b", "a b"),
        ("<div> a</div>", "\na\n"),
        ("<pre>a\n b</pre>", "\n\na b\n\n"),
    ] {
        assert_eq!(text(source), expected, "{source}");
    }
}

#[test]
fn what_is_markup_is_no_text() {
    for (source, expected) in [
        ("a<!-- b > c -->d", "ad"),
        ("a<!-- b > c", "a c"),
        ("a<!-- b --  >c", "ac"),
        ("a<!DOCTYPE html>b", "ab"),
        ("a<!foo>b<!>c<!->d", "abcd"),
        ("a<?xml x='>'?>b", "a'?>b"),
        ("a<![CDATA[<b>&amp;]]>c", "a<b>&amp;c"),
        ("a<![ignore[b]]>c", "ac"),
        ("a<![if !mso]>b<![endif]>c", "abc"),
        ("a < b", "a < b"),
        ("a<b", "a"),
        ("a<b c=\"d>e", "a"),
        ("a</b c=\"d>e\">f", "af"),
        ("a</>b", "ab"),
        ("a<script>b</script>c<style>d</style>e", "ace"),
        ("a<style>b", "a"),
        ("<title>a&amp;<b></title>c", "\n\na&<b>\n\nc"),
        ("<title>a<b>c", "\n\na\n\nc"),
        ("<textarea>a<b>", "a<b>"),
    ] {
        assert_eq!(text(source), expected, "{source}");
    }
}

#[test]
fn hidden_text_is_apart_but_not_lost() {
    let rendered = html("<p>a<span style='display:none'>b</span><font color=white>c</font>d</p>");
    assert_eq!(rendered.text.chars, "\n\nabcd\n\n");
    assert_eq!(rendered.visible().chars, "\n\nad\n\n");
    assert_eq!(rendered.invisible().chars, "bc");
    assert!(matches!(rendered.facts.get("font_low_contrast"), Some(Fact::Number(1.0))));
}

#[test]
fn octets_stay_octets_until_a_character_needs_more() {
    let plain = render("caf&eacute;", Input::Octets, 11);
    assert_eq!(plain.text.octets(), b"caf\xe9");
    let wide = render("caf&eacute; &euro;", Input::Octets, 11);
    assert_eq!(wide.text.octets(), "café €".as_bytes());
    let undecoded = render("caf\u{c3}\u{a9} &eacute;", Input::Undecoded, 11);
    assert_eq!(undecoded.text.octets(), "café é".as_bytes());
}

#[test]
fn tags_are_counted_as_spamassassin_counts_them() {
    let facts = html("<!DOCTYPE html><html><body><o:p></o:p><foo><foo></b></body>").facts;
    let number = |name: &str| match facts.get(name) {
        Some(Fact::Number(number)) => number,
        _ => f64::NAN,
    };
    assert_eq!(number("bad_tag_ratio"), 2.0 / 9.0);
    assert_eq!(number("closed_extra_ratio"), 1.0 / 9.0);
    assert_eq!(number("non_element_ratio"), 1.0 / 5.0);
    assert_eq!(facts.inside.get("foo"), Some(&2));
    assert_eq!(facts.inside.get("b"), Some(&0));
    assert_eq!(facts.inside.get("!doctype"), Some(&0));
    assert!(facts.get("obfuscation_ratio").is_none());
}

#[test]
fn letters_torn_apart_by_tags_are_noted() {
    let facts = html("vi<b></b>ag<i>r</i>a").facts;
    assert!(matches!(facts.get("obfuscation_ratio"), Some(Fact::Number(ratio)) if ratio == 3.0 / 4.0));
    assert!(matches!(facts.get("backhair_count"), Some(Fact::Number(3.0))));
}

#[test]
fn links_carry_their_elements_and_the_text_that_names_them() {
    let facts = html(
        "<base href='http://example.com/dir/page.html'><a href='x'>one</a><img src='/y.png'><a HREF=' x '>two<img></a><form action=\"mailto:a@example.com\">",
    )
    .facts;
    let find = |target: &str| facts.links.iter().find(|link| link.target.chars == target).unwrap_or_else(|| panic!("{target}"));
    assert_eq!(find("http://example.com/dir/x").kinds, [LinkKind::Html("a")]);
    assert_eq!(find("http://example.com/y.png").kinds, [LinkKind::Html("img")]);
    // The text belongs to the target as written.
    assert_eq!(find("x").anchors.iter().map(|text| text.chars.as_str()).collect::<Vec<_>>(), ["one", "two<img>\n"]);
    assert!(facts.get("form_action_mailto").is_some());
}

#[test]
fn an_empty_background_ends_the_reading() {
    let rendered = html("a<p style='background: ;'>b</p><a href='http://example.com/'>");
    assert_eq!(rendered.text.chars, "a");
    assert!(rendered.facts.broken_off);
    assert!(rendered.facts.links.is_empty());
}

#[test]
fn a_link_is_cut_at_its_limit() {
    let facts = html(&format!("<a href='http://example.com/{}'>", "x".repeat(9000))).facts;
    assert!(facts.uri_truncated);
    assert_eq!(facts.links[0].target.chars.len(), 8192);
}

/// Documents that cost a naive reader the square of their length.
const HOSTILE: &[(&str, &str)] = &[
    ("unclosed tags", "<font>"),
    ("stray end tags", "</p>"),
    ("cells", "<td><tr>"),
    ("tags without end", "<a "),
    ("open quotes", "<a href=\""),
    ("open comments", "<!--"),
    ("dashes", "--  "),
    ("open declarations", "<!DOCTYPE \""),
    ("open sections", "<![x["),
    ("sections without bracket", "<![x "),
    ("section ends", "<![include[]]]"),
    ("open titles", "<title>"),
    ("open scripts", "<script>"),
    ("open plain text", "<plaintext>"),
    ("ends of literal elements", "<title></titl"),
    ("ampersands", "&"),
    ("long references", "&abcdefgh"),
    ("empty tags", "<b />/>"),
    ("new names", "<q"),
    ("anchors", "<a href=x>y"),
    ("brackets in backgrounds", "<p style='background:(((((\"'>"),
    ("declarations", "<p style=';;;;;;;;;;;;;;;'>"),
    ("parents", "<a href=../../../../../..>"),
    ("slashes", "<a href='//////////////////////../../../..'>"),
];

#[test]
fn hostile_documents_cost_no_more_than_their_length() {
    for (what, piece) in HOSTILE {
        for prefix in ["", "<title>", "<![ignore[", "<!--", "<a b='"] {
            let mut source = String::from(prefix);
            while source.len() < 100_000 {
                source.push_str(piece);
            }
            let (rendered, looked_at) = render_counting(&source, Input::Characters, source.len());
            assert!(looked_at <= source.len() * 12, "{prefix}{what}: looked at {looked_at} of {}", source.len());
            assert!(rendered.text.chars.len() <= source.len() * 4, "{what}");
        }
    }
}

#[test]
fn a_huge_attribute_is_read_once() {
    let source = format!("<a href='http://example.com/{}'>x</a>", "y".repeat(1_000_000));
    let (rendered, looked_at) = render_counting(&source, Input::Characters, source.len());
    assert!(looked_at <= source.len() * 3);
    assert!(rendered.facts.uri_truncated);
}

#[test]
fn no_document_makes_the_renderer_panic() {
    const PIECES: &[&str] = &[
        "<",
        ">",
        "<!--",
        "-->",
        "--",
        "</",
        "<![",
        "[",
        "]]>",
        "]",
        "cdata",
        "ignore",
        "include",
        "<!DOCTYPE",
        "\"",
        "'",
        "=",
        "/",
        "<a ",
        "href=",
        "<p style='",
        "color:",
        "background:",
        "rgb(",
        "%",
        ";",
        ",",
        "(",
        "#fff",
        "<title>",
        "</title>",
        "<style>",
        "</style",
        "<script",
        "&",
        "&#",
        "&#x",
        "&eacute;",
        "&#55357;",
        "&#56832;",
        "é",
        "\u{C2}\u{A0}",
        "\u{FEFF}",
        "“",
        "\u{2028}",
        "\0",
        " ",
        "\n",
        "\t",
        "x",
        "1",
        "<img width=1% height=",
        "<base href=",
        "http://",
        "../",
        "//",
        "?",
        "<meta http-equiv=refresh content='url=",
        "<font size=+",
        "<basefont size=",
        "<td>",
        "</td>",
        "<o:p>",
        "&nbsp;",
        "/>",
        "<?",
        "<textarea>",
    ];
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..3000 {
        let count = random(60);
        let source: String = (0..count).map(|_| PIECES[random(PIECES.len())]).collect();
        for input in [Input::Characters, Input::Octets, Input::Undecoded] {
            let source: String = if input == Input::Characters { source.clone() } else { source.bytes().map(char::from).collect() };
            let rendered = render(&source, input, source.len());
            // The parts of the text are the text.
            assert_eq!(rendered.visible().chars.len() + rendered.invisible().chars.len(), rendered.text.chars.len(), "{source}");
            assert!(rendered.text.wide || rendered.text.chars.chars().all(|c| c as u32 <= 0xFF), "{source}");
        }
    }
}
