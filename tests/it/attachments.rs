//! Attachments by their content: a made set of files and containers, hostile ones, and what independent readers say.

use super::attachment_files::{CONTAINERS, files, letter, pdf, zip};
use super::site::files_below;
use hamgate::mail::attachments::{self, Origin};
use hamgate::mail::{Arrival, Mail, Reading};
use hamgate::rules::engine::Program;
use hamgate::rules::{NoFiles, Settings, Source, builtin, load};
use hamgate::scan::{Engine, Wish};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// One part or file, kept.
#[derive(Debug)]
struct Seen {
    path: String,
    names: Vec<String>,
    kind: &'static str,
    bytes: Vec<u8>,
    facts: BTreeSet<&'static str>,
    origin: Origin,
}

fn seen(raw: &[u8]) -> Vec<Seen> {
    let mut all = Vec::new();
    attachments::walk(&Mail::parse(raw.to_vec()), &mut |item| {
        all.push(Seen {
            path: item.path.to_owned(),
            names: item.names.to_vec(),
            kind: item.kind.word(),
            bytes: item.bytes.to_vec(),
            facts: item.facts.iter().map(|fact| fact.word()).collect(),
            origin: item.origin,
        });
    });
    all
}

/// Every file alone and in every container: name, octets, and what must be seen.
fn set() -> Vec<(String, Vec<u8>, &'static str)> {
    let mut set = Vec::new();
    for file in files() {
        set.push((file.name.to_owned(), file.bytes.clone(), file.kind));
        for container in CONTAINERS {
            set.push((format!("{}.{}", file.name, container.extension), (container.wrap)(file.name, &file.bytes), container.kind));
        }
    }
    set
}

#[test]
fn each_file_is_told_by_its_content_alone_and_in_every_container() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for file in files() {
        let alone = ("bare".to_owned(), file.bytes.clone(), file.kind);
        let wrapped = CONTAINERS.iter().map(|c| (c.extension.to_owned(), (c.wrap)(file.name, &file.bytes), c.kind));
        for (how, bytes, kind) in std::iter::once(alone).chain(wrapped) {
            count += 1;
            // The name of the attachment tells nothing.
            let all = seen(&letter("see the file", "attached.bin", &bytes));
            let outer = all.iter().find(|part| part.path == "2");
            let inner = all.iter().find(|part| part.bytes == file.bytes && part.kind == file.kind);
            let facts: BTreeSet<&str> = all.iter().flat_map(|part| part.facts.iter().copied()).collect();
            let named = how == "bare"
                || how == "zip.bz2"
                || how == "tar.gz"
                || all.iter().any(|part| part.names.iter().any(|name| name.eq_ignore_ascii_case(file.name)));
            let missing: Vec<&&str> = file.facts.iter().filter(|fact| !facts.contains(**fact)).collect();
            // Without its name a table of text is text.
            let excused = file.name.ends_with(".csv") && how == "bare";
            if outer.map(|part| part.kind) != Some(kind) || inner.is_none() || !named || !missing.is_empty() && !excused {
                wrong.push(format!("{} {how}: {:?} {} {named} {missing:?}", file.name, outer.map(|part| part.kind), inner.is_some()));
            }
            let clean = file.facts.is_empty();
            let odd =
                ["archive-bomb", "damaged-archive", "encrypted", "macro", "ambiguous-archive"].iter().any(|fact| facts.contains(fact));
            if clean && odd {
                wrong.push(format!("{} {how}: {facts:?}", file.name));
            }
        }
    }
    assert!(count >= 150, "{count}");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
#[ignore = "needs file and 7z"]
fn file_and_7z_agree_about_what_is_what() {
    let folder = std::env::temp_dir().join(format!("hamgate-files-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut agreed = 0;
    let mut wrong = Vec::new();
    for (number, (name, bytes, kind)) in set().into_iter().enumerate() {
        let path = folder.join(format!("{number}.bin"));
        std::fs::write(&path, &bytes).unwrap();
        let output = Command::new("file").args(["--brief", "--mime-type"]).arg(&path).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let expected: &[&str] = match kind {
            "zip" => &["application/zip", "application/vnd.openxmlformats", "application/octet-stream"],
            "tar" => &["application/x-tar"],
            "gzip" => &["application/gzip"],
            "bzip2" => &["application/x-bzip2"],
            "cab" => &["application/vnd.ms-cab-compressed"],
            "iso" => &["application/x-iso9660-image"],
            "rar" => &["application/x-rar"],
            "7z" => &["application/x-7z-compressed"],
            "pe" => &["application/x-dosexec", "application/vnd.microsoft"],
            "elf" => &["application/x-executable", "application/x-sharedlib"],
            "shortcut" => &["application/x-ms-shortcut"],
            "script" => &["text/x-shellscript"],
            "html" => &["text/html"],
            "svg" => &["image/svg+xml"],
            "pdf" => &["application/pdf"],
            "ole" => &["application/CDFV2", "application/x-ole-storage", "application/msword"],
            "rtf" => &["text/rtf"],
            "image" => &["image/png"],
            "text" => &["text/plain", "text/csv"],
            "message" => &["message/rfc822"],
            "tnef" => &["application/vnd.ms-tnef"],
            _ => &[],
        };
        if expected.iter().any(|e| told.starts_with(e)) {
            agreed += 1
        } else {
            wrong.push(format!("{name}: {kind}, file says {told}"))
        }
        if matches!(kind, "zip" | "tar" | "cab" | "iso" | "rar" | "7z") {
            let listed = Command::new("7z").arg("l").arg("-ba").arg("-slt").arg(&path).output().unwrap();
            let text = String::from_utf8_lossy(&listed.stdout).to_ascii_lowercase();
            let ours = seen(&letter("x", "a.bin", &bytes));
            let first = ours.iter().find(|part| part.origin == Origin::Entry).and_then(|part| part.names.first().cloned());
            let is_there = first.as_ref().is_some_and(|name| text.contains(&format!("path = {}", name.to_ascii_lowercase())));
            if is_there { agreed += 1 } else { wrong.push(format!("{name}: 7z does not list {first:?}:\n{text}")) }
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
    println!("{agreed} agreed, {} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(agreed >= 250, "{agreed}");
    assert!(wrong.len() * 50 <= agreed, "{}", wrong.join("\n"));
}

#[test]
fn a_name_is_judged_as_each_reader_shows_it() {
    let mail = |fields: &str| format!("Subject: x\r\nMIME-Version: 1.0\r\n{fields}\r\n\r\nnothing\r\n");
    for (fields, facts, extension) in [
        ("Content-Type: application/octet-stream; name=\"a.pdf.exe\"", &["double-extension"][..], "exe"),
        ("Content-Disposition: attachment; filename*=utf-8''a%E2%80%AEfdp.exe", &["reversed-name"], "exe"),
        ("Content-Disposition: attachment; filename*0=\"a.e\"; filename*1=\"xe\"; filename=\"ok.txt\"", &["several-names"], "exe"),
        ("Content-Disposition: attachment; filename=\"=?utf-8?B?YS5leGU=?=\"", &[], "exe"),
        ("Content-Disposition: attachment; filename=\"a.exe. . \"", &[], "exe"),
        ("Content-Disposition: attachment; filename=a.pdf; filename=b.scr", &["several-names"], "scr"),
        ("Content-Type: image/png; name=a.png\r\nContent-Disposition: attachment; filename=\"b.js\"", &["several-names"], "js"),
        ("Content-Disposition: attachment; filename=\"a\u{200b}.ex\u{200b}e\"", &["hidden-characters"], "exe"),
        ("Content-Disposition: attachment; filename=\"a.\u{ff45}\u{ff58}\u{ff45}\"", &[], "exe"),
    ] {
        let all = seen(mail(fields).as_bytes());
        let extensions: Vec<String> = all.iter().flat_map(|part| hamgate::mail::attachments_names::all_extensions(&part.names)).collect();
        assert!(extensions.iter().any(|found| found == extension), "{fields}: {extensions:?}");
        for fact in facts {
            assert!(all.iter().any(|part| part.facts.contains(fact)), "{fields}: {fact} not in {all:?}");
        }
    }
}

fn engine(rules: &str) -> Engine {
    let mut sources = builtin::sources();
    sources.push(Source::Text { name: "site.cf".into(), text: rules.into() });
    Engine::local(Program::new(load(&sources, &NoFiles, &Settings::default()).0))
}

#[test]
fn clean_documents_score_nothing() {
    let engine = engine("");
    let docx = zip(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<w:document>text</w:document>")], true);
    for (name, bytes) in [("minutes.pdf", pdf("/Lang (en)")), ("minutes.docx", docx)] {
        let raw = [b"Received: from mail.example.com (mail.example.com [192.0.2.10]) by mx.example.org (Postfix) with ESMTP id 4711; Tue, 3 Mar 2026 10:00:05 +0000\r\n".as_slice(), &letter("Dear Anna,\r\nthe minutes are attached.", name, &bytes)].concat();
        let findings = engine.judge(raw, Arrival::FromFields, Wish::default()).findings;
        let hits: Vec<String> = findings
            .hits
            .iter()
            .filter(|hit| hit.rule.starts_with("HG_ATTACH") || hit.rule.starts_with("HG_MIME"))
            .map(|h| h.rule.to_string())
            .collect();
        assert!(hits.is_empty() && findings.score == 0.0, "{name}: {hits:?} {}", findings.score);
    }
}

#[test]
fn a_rule_in_a_text_file_finds_a_program_in_a_zip_in_a_message_in_a_message() {
    let program = zip(&[("tool/setup.exe", b"MZ harmless")], true);
    let inner = letter("look", "a.zip", &program);
    let middle = [b"Subject: fwd\r\nContent-Type: message/rfc822\r\n\r\n".as_slice(), &inner].concat();
    let raw = [b"Subject: fwd\r\nContent-Type: message/rfc822\r\n\r\n".as_slice(), &middle].concat();
    let engine = engine(
        "body NO_EXE eval:attachment_extension('exe','scr')\nbody NO_ZIP eval:attachment_type('zip','application/x-rar')\nbody NO_NAME eval:attachment_name('^tool/')\nbody NO_PDF eval:attachment_type('pdf')\n",
    );
    let findings = engine.judge(raw, Arrival::FromFields, Wish::default()).findings;
    assert!(findings.has("NO_EXE") && findings.has("NO_ZIP") && findings.has("NO_NAME") && !findings.has("NO_PDF"), "{:?}", findings.hits);
}

/// Runs in a thread of 2 MB stack.
fn in_a_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap()
}

#[test]
fn nesting_and_bombs_end_soon_in_a_small_stack() {
    let mut nested = b"end of it".to_vec();
    for _ in 0..200 {
        nested = zip(&[("a.zip", &nested)], false);
    }
    let bomb = zip(&[("zeros", &vec![0; 30_000_000])], true);
    let chained = [b"Content-Type: message/rfc822\r\n\r\n".repeat(50_000), b"Subject: x\r\n\r\nx\r\n".to_vec()].concat();
    for (what, raw, fact) in [
        ("nested", letter("x", "a.zip", &nested), "too-deep"),
        ("bomb", letter("x", "a.zip", &bomb), "archive-bomb"),
        ("chain", chained, ""),
    ] {
        let began = Instant::now();
        let all = in_a_small_stack(move || seen(&raw));
        assert!(fact.is_empty() || all.iter().any(|part| part.facts.contains(fact)), "{what}");
        assert!(began.elapsed().as_secs() < 20, "{what}: {:?}", began.elapsed());
    }
}

#[test]
#[ignore = "needs python3 and HAMGATE_TOOLS"]
fn hostile_messages_and_archives_end_within_bounds() {
    let tools = PathBuf::from(std::env::var("HAMGATE_TOOLS").unwrap());
    let folder = std::env::temp_dir().join(format!("hamgate-hostile-{}", std::process::id()));
    for tool in ["genhostile.py", "bombs.py"] {
        let made = Command::new("python3").arg(tools.join(tool)).arg(folder.join(tool)).output().unwrap();
        assert!(made.status.success(), "{tool}");
    }
    let mut slow = Vec::new();
    for path in files_below(&folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == "eml")) {
        let raw = std::fs::read(&path).unwrap();
        let began = Instant::now();
        in_a_small_stack(move || {
            attachments::walk(&Mail::parse(raw), &mut |_| {});
        });
        let took = began.elapsed();
        // A debug build takes ten times as long.
        let most = if cfg!(debug_assertions) { 30.0 } else { 2.0 };
        if took.as_secs_f64() > most {
            slow.push(format!("{}: {took:?}", path.display()));
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}

#[test]
#[ignore = "needs python3 and HAMGATE_CORPUS"]
fn parts_are_those_of_pythons_email_package() {
    let corpus = PathBuf::from(std::env::var("HAMGATE_CORPUS").unwrap());
    // Python keeps blanks at the end of quoted-printable lines, against RFC 2045 §6.7 (3); they do not count here.
    let script = r"
import email, hashlib, re, sys
for line in sys.stdin:
    path = line.rstrip('\n')
    message = email.message_from_bytes(open(path, 'rb').read())
    parts = [p.get_payload(decode=True) or b'' for p in message.walk() if not p.is_multipart()]
    print(' '.join(sorted(hashlib.sha256(re.sub(rb'[ \t]+(?=\r?\n|$)', b'', p)).hexdigest() for p in parts)))
";
    let paths = files_below(&corpus);
    let mut python = Command::new("python3")
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    let list: String = paths.iter().map(|path| format!("{}\n", path.display())).collect();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut input, list.as_bytes()));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let theirs = String::from_utf8(output.stdout).unwrap();
    let mut different = Vec::new();
    for (path, line) in paths.iter().zip(theirs.lines()) {
        let raw = std::fs::read(path).unwrap();
        let mut ours: Vec<String> = seen(&raw)
            .iter()
            .filter(|part| part.origin == Origin::Part && !(part.kind == "message" && !part.bytes.is_empty() && is_entered(part, &raw)))
            .map(|part| hex(&without_blanks(&part.bytes)))
            .collect();
        ours.sort();
        if ours.join(" ") != line {
            different.push(path.display().to_string());
        }
    }
    println!("{} of {} differ:\n{}", different.len(), paths.len(), different.join("\n"));
    assert!(paths.len() > 1000 && different.len() * 200 <= paths.len());
}

/// A message whose parts stand in the list by themselves.
fn is_entered(part: &Seen, raw: &[u8]) -> bool {
    seen(raw).iter().any(|other| other.path.starts_with(&format!("{}!", part.path)))
}

fn without_blanks(text: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|b| *b == b'\n') {
        let end = if line.ends_with(b"\r\n") { 2 } else { usize::from(line.ends_with(b"\n")) };
        let (line, end) = line.split_at(line.len() - end);
        out.extend_from_slice(&line[..line.len() - line.iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count()]);
        out.extend_from_slice(end);
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// Archives written by 7-Zip, and what lies in them.
#[test]
fn entries_of_rarer_methods_are_unpacked() {
    let text: String = (0..60).map(|i| format!("Line {i} of a harmless text, {}.\n", i * i)).collect();
    let mut program = [b"MZ\x90\0".as_slice(), &[0; 60]].concat();
    for i in 0..300u32 {
        let call = 0x1000u32.wrapping_sub(program.len() as u32 + 5).to_le_bytes();
        let jump = 0x2000u32.wrapping_sub(program.len() as u32 + 13).to_le_bytes();
        program = [&program, b"\x55\x8b\xec\xe8".as_slice(), &call, &[0x83, 0xc4, (i & 0xff) as u8, 0x0f, 0x84], &jump].concat();
    }
    macro_rules! seed {
        ($name:literal) => {
            include_bytes!(concat!("../../fuzz/seeds/containers/", $name)).as_slice()
        };
    }
    for (name, archive, content) in [
        ("ppmd.7z", seed!("ppmd.7z"), text.as_bytes()),
        ("bcj2.7z", seed!("bcj2.7z"), &program),
        ("deflate64.7z", seed!("deflate64.7z"), text.as_bytes()),
        ("deflate64.zip", seed!("deflate64.zip"), text.as_bytes()),
        ("ppmd.zip", seed!("ppmd.zip"), text.as_bytes()),
        ("text.zst", seed!("text.zst"), text.as_bytes()),
    ] {
        let all = seen(&letter("see the file", name, archive));
        assert!(all.iter().any(|part| part.origin == Origin::Entry && part.bytes == content), "{name}: {:?}", all.last());
        assert!(all.iter().all(|part| !part.facts.contains("unread") && !part.facts.contains("damaged-archive")), "{name}");
    }
}

/// What views show of attachments under an option of the rule files: text of the body, links, words of the classifier.
fn said(raw: &[u8], option: &str) -> (String, Vec<String>, String) {
    let sources = [Source::Text { name: "site.cf".into(), text: format!("util_rb_tld example com org\n{option}\n") }];
    let set = load(&sources, &NoFiles, &Settings::default()).0;
    let (mail, arrival) = (Mail::parse(raw.to_vec()), Arrival::FromFields);
    let reading = Reading::new(&mail, &arrival, &set.options.view);
    let text = |paragraphs: &[Vec<u8>]| String::from_utf8_lossy(&paragraphs.concat()).into_owned();
    let uris = reading.uris().iter().map(|uri| String::from_utf8_lossy(uri).into_owned()).collect();
    (text(reading.body()), uris, text(reading.visible()))
}

#[test]
fn text_and_links_of_attachments_count_where_the_rules_ask_for_them() {
    let page = "%PDF-1.4\n3 0 obj\n<< /Type /Page /Contents 4 0 R /Annots [ << /A << /S /URI /URI (http://inside.example/a) >> >> ] >>\nendobj\n\
                4 0 obj\n<< /Length 40 >>\nstream\nBT (the hidden offer) Tj ET\nendstream\nendobj\n%%EOF\n";
    let document = b"<w:document><w:p><w:t>the hidden offer</w:t></w:p></w:document>".as_slice();
    let relations =
        b"<Relationships><Relationship Type=\"x/hyperlink\" Target=\"http://inside.example/a\" TargetMode=\"External\"/></Relationships>"
            .as_slice();
    let docx =
        zip(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", document), ("word/_rels/document.xml.rels", relations)], true);
    let open = b"<office:text><text:p>the hidden offer <text:a xlink:href=\"http://inside.example/a\">x</text:a></text:p></office:text>"
        .as_slice();
    let open = [b"<?xml version=\"1.0\"?>".as_slice(), open].concat();
    let rtf = br#"{\rtf1 the hidden {\b offer} {\field{\*\fldinst{HYPERLINK "http://inside.example/a"}}{\fldrslt x}}}"#.as_slice();
    let html = b"<html><body>the hidden offer <a href=\"http://inside.example/a\">x</a></body></html>".as_slice();
    for (name, bytes) in [
        ("a.pdf", page.as_bytes().to_vec()),
        ("a.docx", docx.clone()),
        ("a.odt", zip(&[("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", &open)], true)),
        ("a.rtf", rtf.to_vec()),
        ("a.bin", html.to_vec()),
        ("a.txt", b"the hidden offer http://inside.example/a here\n".to_vec()),
        ("packed.zip", zip(&[("in/a.docx", &docx)], true)),
    ] {
        let raw = letter("Dear Anna,\r\nsee the file.", name, &bytes);
        let is_told = |text: &str| text.contains("the hidden offer");
        let has_link = |uris: &[String]| uris.iter().any(|uri| uri == "http://inside.example/a");
        let (body, uris, bayes) = said(&raw, "");
        assert!(!is_told(&body) && !has_link(&uris) && !is_told(&bayes), "{name}: {body}");
        let (body, uris, bayes) = said(&raw, "attachment_text body");
        assert!(is_told(&body) && !has_link(&uris) && !is_told(&bayes), "{name}: {body} {uris:?} {bayes}");
        let (body, uris, bayes) = said(&raw, "attachment_text uri");
        assert!(!is_told(&body) && has_link(&uris) && !is_told(&bayes), "{name}: {body} {uris:?}");
        let (body, uris, bayes) = said(&raw, "attachment_text body uri bayes");
        assert!(is_told(&body) && has_link(&uris) && is_told(&bayes), "{name}: {body} {uris:?} {bayes}");
    }
}

/// Office files with and without macros, and which of macro, automatic start and suspicious calls each has.
fn office_files() -> Vec<(&'static str, Vec<u8>)> {
    let docm = |project: &[u8]| {
        zip(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<w:document/>"), ("word/vbaProject.bin", project)], true)
    };
    let xlsm = |project: &[u8]| {
        zip(&[("[Content_Types].xml", b"<Types/>"), ("xl/workbook.xml", b"<workbook/>"), ("xl/vbaProject.bin", project)], true)
    };
    let sources: [&[u8]; 6] = [
        b"Sub AutoOpen()\r\n x = Shell(\"calc.exe\")\r\nEnd Sub\r\n",
        b"Sub Workbook_Open()\r\n CreateObject(\"WScript.Shell\").Run \"notepad\"\r\nEnd Sub\r\n",
        b"Sub Document_Open()\r\n MsgBox \"welcome\"\r\nEnd Sub\r\n",
        b"Sub Total()\r\n Range(\"A1\").Value = 2\r\nEnd Sub\r\n",
        b"Function Fetch()\r\n Set h = CreateObject(\"MSXML2.XMLHTTP\")\r\nEnd Function\r\n",
        b"",
    ];
    let mut all = Vec::new();
    for source in sources {
        let project = super::attachment_files::vba(source);
        all.extend([("a.docm", docm(&project)), ("a.xlsm", xlsm(&project)), ("a.doc", project)]);
    }
    all.extend(files().into_iter().filter(|file| file.name.ends_with(".docx")).map(|file| (file.name, file.bytes)));
    all
}

#[test]
#[ignore = "needs python3 with oletools (HAMGATE_OLETOOLS names the folder)"]
fn oletools_agree_about_macros() {
    let oletools = std::env::var_os("HAMGATE_OLETOOLS").expect("HAMGATE_OLETOOLS names the folder of oletools");
    let folder = std::env::temp_dir().join(format!("hamgate-office-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let script = r"
import sys
from oletools.olevba import VBA_Parser
for path in sys.argv[1:]:
    parser = VBA_Parser(path)
    found = ['macro'] if parser.detect_vba_macros() else []
    kinds = {kind for kind, _, _ in parser.analyze_macros()} if found else set()
    found += ['auto-run'] if 'AutoExec' in kinds else []
    found += ['suspicious-macro'] if 'Suspicious' in kinds else []
    print(' '.join(found))
";
    let (mut paths, mut ours) = (Vec::new(), Vec::new());
    for (number, (name, bytes)) in office_files().into_iter().enumerate() {
        let path = folder.join(format!("{number}-{name}"));
        std::fs::write(&path, &bytes).unwrap();
        paths.push(path);
        let all = seen(&letter("see the file", name, &bytes));
        let has = |fact: &&str| all.iter().any(|part| part.facts.contains(*fact));
        ours.push(["macro", "auto-run", "suspicious-macro"].into_iter().filter(has).collect::<Vec<_>>().join(" "));
    }
    let python = std::env::var("HAMGATE_PYTHON").unwrap_or_else(|_| "python3".into());
    let output = Command::new(python).args(["-c", script]).args(&paths).env("PYTHONPATH", oletools).output().unwrap();
    let theirs = String::from_utf8(output.stdout).unwrap();
    let theirs: Vec<&str> = theirs.lines().collect();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(theirs.len(), ours.len(), "{}", String::from_utf8_lossy(&output.stderr));
    let differ = |((path, ours), theirs): ((&PathBuf, &String), &&str)| {
        (ours != theirs).then(|| format!("{}: ours {ours:?}, olevba's {theirs:?}", path.display()))
    };
    let wrong: Vec<String> = paths.iter().zip(&ours).zip(&theirs).filter_map(differ).collect();
    println!("{} files, {} differ", ours.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
