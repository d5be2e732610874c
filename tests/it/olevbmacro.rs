//! The functions of SpamAssassin's OLEVBMacro on made documents: what they answer, and that SpamAssassin answers the same.

use super::attachment_files::{letter, vba, zip};
use super::site::Folder;
use hamgate::mail::Arrival;
use hamgate::rules::engine::Program;
use hamgate::rules::{Settings, Source, load};
use hamgate::scan::{Engine, Wish};
use hamgate::service::rule_files::Disk;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// One rule for each function. SpamAssassin's plugin adds targets outside of a document to the message's links; here
/// `attachment_text` does, which SpamAssassin does not know and passes over.
const RULES: &str = "\
attachment_text uri
body MACRO eval:check_olemacro()
body OBJECT eval:check_oleobject()
body RTF eval:check_olertfobject()
body CSV eval:check_olemacro_csv()
body MALICE eval:check_olemacro_malice()
body RENAMED eval:check_olemacro_renamed()
body LOCKED eval:check_olemacro_encrypted()
body PASSWORD eval:check_olemacro_zip_password()
body EXE eval:check_olemacro_download_exe()
body REDIRECT eval:check_olemacro_redirect_uri()
body MHTML eval:check_olemacro_mhtml_uri()
uri LINK /elsewhere\\.example/
";

/// Judges each message in a process of its own and prints the rules that hit.
const PERL: &str = r#"
use strict; use warnings; use Mail::SpamAssassin;
my ($rules, $site) = @ARGV; my @paths = map { chomp; $_ } <STDIN>;
my $sa = Mail::SpamAssassin->new({ rules_filename => $rules, site_rules_filename => $site, local_tests_only => 1, dont_copy_prefs => 1,
  userprefs_filename => '/dev/null', post_config_text => "use_bayes 0\n" });
$sa->compile_now(0, 1); $| = 1;
for my $path (@paths) {
  open my $file, '<', $path or die "$path: $!"; binmode $file; my $raw = do { local $/; <$file> }; close $file;
  my $mail = $sa->parse($raw, 1); my $status = $sa->check($mail);
  print join(' ', sort grep { length } split /,/, $status->get_names_of_tests_hit()), "\n";
  $status->finish(); $mail->finish();
}
"#;

struct Case {
    title: &'static str,
    name: &'static str,
    bytes: Vec<u8>,
    /// Rules that hit, sorted.
    hits: &'static str,
}

fn case(title: &'static str, name: &'static str, bytes: impl Into<Vec<u8>>, hits: &'static str) -> Case {
    Case { title, name, bytes: bytes.into(), hits }
}

const TYPES: &[u8] = b"<?xml version=\"1.0\"?><Types><Default Extension=\"xml\" ContentType=\"application/xml\"/></Types>";
const MACRO_TYPES: &[u8] =
    b"<Types><Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.ms-word.document.macroEnabled.main+xml\"/></Types>";
const TEXT: &[u8] = b"<w:document><w:t>text</w:t></w:document>";

fn relation(target: &str, mode: &str) -> Vec<u8> {
    format!(
        "<Relationships><Relationship Id=\"r1\" Type=\"x/attachedTemplate\" Target=\"{target}\" TargetMode=\"{mode}\"/></Relationships>"
    )
    .into()
}

/// An old document whose octet at a place tells of a password.
fn marked(at: usize, octet: u8) -> Vec<u8> {
    let mut file = vba(b"Attribute VB_Name = \"a\"\r\n");
    file.resize(file.len().max(at + 1), 0);
    file[at] = octet;
    // No macro: the mark of its attributes is undone.
    for found in memchr::memmem::find_iter(&file.clone(), b"Attribut") {
        file[found] = b'X';
    }
    file
}

/// The first entry asks for a password.
fn locked(name: &str) -> Vec<u8> {
    let mut file = zip(&[(name, b"content")], true);
    let directory = memchr::memmem::rfind(&file, b"PK\x01\x02").unwrap();
    file[6] |= 1;
    file[directory + 8] |= 1;
    file
}

fn cases() -> Vec<Case> {
    let plain = vba(b"Attribute VB_Name = \"a\"\r\nSub Nothing()\r\nEnd Sub\r\n");
    let opening = [plain.as_slice(), b"AutoOpen"].concat();
    let docx = |more: &[(&str, &[u8])]| zip(&[&[("[Content_Types].xml", TYPES), ("word/document.xml", TEXT)], more].concat(), true);
    let project = vba(b"Attribute VB_Name = \"ThisDocument\"\r\nSub Document_Open()\r\nEnd Sub\r\n");
    let opening_project = [project.as_slice(), b" Document_Open "].concat();
    let outside = relation("http://elsewhere.example/a.dotm", "External");
    let download = b"PK no zip \x00http://elsewhere.example/files/setup.exe\x06 more".as_slice();
    let package: Vec<u8> = [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".as_slice(), &[0; 600], &wide("EncryptedPackage"), &[0; 600]].concat();
    let book: Vec<u8> = [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".as_slice(), &[0; 512], b"\xfe\0", &wide("Workbook"), &[0; 600]].concat();
    vec![
        case("a macro of 2003", "a.doc", plain.clone(), "MACRO"),
        case("a macro that opens by itself", "a.xls", opening.clone(), "MACRO MALICE"),
        case("the same under a name that is skipped", "a.pptx", opening.clone(), ""),
        case("the same as a picture", "a.png", opening.clone(), ""),
        case("a document without a macro", "a.doc", marked(0, 0xd0), ""),
        case("a document of today", "a.docx", docx(&[]), ""),
        case("a project in it", "a.docx", docx(&[("word/vbaProject.bin", &project)]), "MACRO"),
        case("a project that opens by itself", "a.docx", docx(&[("word/vbaProject.bin", &opening_project)]), "MACRO MALICE"),
        case("a project of a sheet", "a.xlsx", docx(&[("XL/VBAPROJECT.BIN", &project)]), "MACRO"),
        case("a project at another place", "a.docx", docx(&[("other/vbaProject.bin", &opening_project)]), ""),
        case("types that tell of macros", "a.docx", zip(&[("[Content_Types].xml", MACRO_TYPES)], true), "MACRO"),
        case("such types in another file", "a.docx", zip(&[("types.xml", MACRO_TYPES)], true), ""),
        case("a name that means macros", "a.docm", docx(&[]), "MACRO"),
        case("nearly such a name", "a.docmx", docx(&[]), ""),
        case("an object in a sheet", "a.xlsx", docx(&[("xl/embeddings/o.bin", b"x")]), "OBJECT"),
        case("an object beside it", "a.xlsx", docx(&[("xl/embedding/o.bin", b"x")]), ""),
        case("RTF in a document", "a.docx", docx(&[("word/afchunk.rtf", b"{\\rtf1}")]), "RTF"),
        case("RTF beside it", "a.docx", docx(&[("words/afchunk.rtf", b"{\\rtf1}")]), ""),
        case("an object in RTF", "a.rtf", b"{\\rtf1{\\object\\objemb{\\*\\objdata 0102}}}".as_slice(), "MACRO"),
        case("RTF without", "a.rtf", b"{\\rtf1 text}".as_slice(), ""),
        case("flat XML with macros", "a.doc", b"<w:wordDocument w:macrosPresent=\"yes\" a=\"auto_open\">".as_slice(), "MACRO MALICE"),
        case("flat XML without", "a.doc", b"<w:wordDocument w:macrosPresent=\"no\">".as_slice(), ""),
        case("a table that runs a program", "a.csv", b"a,=MSEXCEL|'\\..\\..\\Windows\\System32\\cmd.exe /c calc'!A0".as_slice(), "CSV"),
        case("a table that does not", "a.csv", b"a,=MSEXCEL|'\\..\\..\\Windows\\System\\cmd.exe'!A0".as_slice(), ""),
        case("a package with a password", "a.docx", package.clone(), "LOCKED"),
        case("an old document with a password", "a.doc", marked(0x20b, 0x13), "LOCKED"),
        case("an old book with its mark", "a.xls", book, ""),
        case("an entry with a password", "a.zip", locked("letter.txt"), "PASSWORD"),
        case("a document with a password in a zip", "a.zip", locked("letter.docm"), "MACRO PASSWORD"),
        case("an open entry", "a.zip", zip(&[("letter.txt", b"content")], true), ""),
        case("a document in a zip", "a.zip", zip(&[("in/a.doc", &opening)], true), "MACRO MALICE"),
        case("a document in a zip in a zip", "a.zip", zip(&[("b.zip", &zip(&[("a.doc", &plain)], true))], true), "MACRO"),
        case("three zips deep", "a.zip", zip(&[("b.zip", &zip(&[("c.zip", &zip(&[("a.doc", &plain)], true))], true))], true), ""),
        case("a program that is fetched", "a.doc", download, "EXE"),
        case("a page that is fetched", "a.doc", b"\x00http://elsewhere.example/files/setup.html\x06 more".as_slice(), ""),
        case("a template from elsewhere", "a.docx", docx(&[("word/_rels/settings.xml.rels", &outside)]), "LINK REDIRECT"),
        case(
            "a template of its own",
            "a.docx",
            docx(&[("word/_rels/settings.xml.rels", &relation("http://elsewhere.example/", "Internal"))]),
            "",
        ),
        case(
            "a page of code from elsewhere",
            "a.docx",
            docx(&[("word/_rels/document.xml.rels", &relation("mhtml:http://elsewhere.example/x!x-usc:y", "External"))]),
            "LINK MHTML REDIRECT",
        ),
        case("an outside file", "a.docx", docx(&[("word/_rels/document.xml.rels", &relation("file:///c:/a.dotm", "External"))]), ""),
        case("bad zip", "a.docx", b"PK\x03\x04 and no more".as_slice(), ""),
    ]
}

/// With `olemacro_extended_scan`: renamed documents.
fn renamed() -> Vec<Case> {
    let plain = vba(b"Attribute VB_Name = \"a\"\r\n");
    vec![
        case("a document under another name", "a.jpg", plain.clone(), "MACRO RENAMED"),
        case("a document of today under another name", "a.dat", zip(&[("[Content_Types].xml", TYPES)], true), "RENAMED"),
        case("a picture", "a.jpg", b"\xff\xd8\xff\xe0 picture".as_slice(), ""),
        case("a document in a zip under another name", "a.dat", zip(&[("b.jpg", &plain)], true), "MACRO RENAMED"),
    ]
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The cases with the folder of rules that holds for them.
fn all() -> [(&'static str, Vec<Case>); 2] {
    [("", cases()), ("olemacro_extended_scan 1\n", renamed())]
}

fn rules(folder: &Folder, name: &str, options: &str) -> std::path::PathBuf {
    let site = folder.0.join(name);
    std::fs::create_dir_all(&site).unwrap();
    let plugins = "loadplugin Mail::SpamAssassin::Plugin::Check\nloadplugin Mail::SpamAssassin::Plugin::OLEVBMacro\n";
    std::fs::write(site.join("site.pre"), plugins).unwrap();
    std::fs::write(site.join("site.cf"), format!("util_rb_tld example\n{options}{RULES}")).unwrap();
    site
}

fn ours(site: &Path, cases: &[Case]) -> Vec<String> {
    let sources = [Source::Path(site.to_string_lossy().into_owned())];
    let engine = Engine::local(Program::new(load(&sources, &Disk, &Settings { local_tests_only: true, ..Settings::default() }).0));
    let judged = |case: &Case| {
        let findings = engine.judge(letter("see the file", case.name, &case.bytes), Arrival::FromFields, Wish::default()).findings;
        let mut hits: Vec<String> = findings.hits.iter().map(|hit| hit.rule.to_string()).collect();
        hits.sort();
        hits.join(" ")
    };
    cases.iter().map(judged).collect()
}

#[test]
fn each_function_about_office_files_hits_and_just_misses() {
    let folder = Folder::new("ole");
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (number, (options, cases)) in all().into_iter().enumerate() {
        let site = rules(&folder, &number.to_string(), options);
        for (case, found) in cases.iter().zip(ours(&site, &cases)) {
            found.split(' ').for_each(|rule| *seen.entry(rule.to_owned()).or_default() += 1);
            if found != case.hits {
                wrong.push(format!("{} ({}): ours {found:?}, not {:?}", case.title, case.name, case.hits));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen.keys().filter(|rule| !rule.is_empty()).count(), 12, "{seen:?}");
}

#[test]
#[ignore = "needs spamassassin with libarchive-zip-perl and libio-string-perl"]
fn office_files_are_judged_as_by_spamassassin() {
    let folder = Folder::new("ole-spamassassin");
    let mut wrong = Vec::new();
    for (number, (options, cases)) in all().into_iter().enumerate() {
        let site = rules(&folder, &number.to_string(), options);
        let empty = folder.0.join("empty");
        std::fs::create_dir_all(&empty).unwrap();
        let mut list = String::new();
        for (at, case) in cases.iter().enumerate() {
            let path = folder.0.join(format!("{number}-{at}.eml"));
            std::fs::write(&path, letter("see the file", case.name, &case.bytes)).unwrap();
            list.push_str(&format!("{}\n", path.display()));
        }
        let mut perl =
            Command::new("perl").args(["-e", PERL]).args([&empty, &site]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        perl.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
        let output = perl.wait_with_output().unwrap();
        let theirs: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(theirs.len(), cases.len(), "SpamAssassin judged them all");
        for ((case, found), theirs) in cases.iter().zip(ours(&site, &cases)).zip(theirs) {
            if found != theirs {
                wrong.push(format!("{} ({}): ours {found:?}, SpamAssassin's {theirs:?}", case.title, case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
