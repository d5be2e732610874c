//! Any octets at all are a message: every view of it answers, and in bounded time.

use hamgate::cli::engine::RuleArgs;
use hamgate::mail::{Arrival, HeaderQuery, Mail, Reading, ViewOptions};
use hamgate::scan::{Engine, Wish};
use nix::sys::resource::{UsageWho, getrusage};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Marsaglia's xorshift: the same mail in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

const PIECES: &[&str] = &[
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    " ",
    "\t",
    "\0",
    "--b",
    "--b--",
    "--b\n",
    "\n--b\n",
    "\n--b--\n",
    ":",
    ";",
    "=",
    "=\n",
    "=?utf-8?Q?",
    "?=",
    "=?utf-16?B?AGE=?=",
    "From ",
    "From: a <b@c.example>\n",
    "To: <<>>(((",
    "Subject: =?x?q?=E9?= =?x?q?=E9?=\n",
    "Content-Type: ",
    "multipart/mixed; boundary=b\n",
    "multipart/digest; boundary=\"b\"\n",
    "message/rfc822\n",
    "text/html; charset=iso-2022-jp\n",
    "text/plain; charset=utf-16\n",
    "charset=gb2312",
    "Content-Transfer-Encoding: base64\n",
    "Content-Transfer-Encoding: quoted-printable\n",
    "Content-Disposition: x; filename*0=a; filename*1=b; name=x.html\n",
    "Received: from a (b [192.0.2.1]) by c with SMTP id 123; x\n",
    "Received: from (HELO ) (x@[::1]) by",
    " by localhost with POP3",
    "<a href=\"",
    "http://",
    "www.example.com/?x=",
    "<style>",
    "</",
    "<!--",
    "\u{e9}",
    "\u{feff}",
    "\u{2028}",
    "<b>",
    "\x1b$B",
    "aGVsbG8=",
    "%41",
    "@",
    "\\",
    "\"",
    "(",
    ")",
    "<",
    ">",
    ",",
    "[127.0.0.1]",
    "DKIM-Signature: d=example.com; ",
    "name*",
    "Return-Path: <>\n",
    "X-Spam-Flag: YES\n",
];

fn message(dice: &mut Dice) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..dice.roll(120) {
        match dice.roll(12) {
            0 => out.push(dice.roll(256) as u8),
            1 => {
                let piece = PIECES[dice.roll(PIECES.len())];
                (0..dice.roll(60)).for_each(|_| out.extend_from_slice(piece.as_bytes()));
            }
            2 => out.extend(std::iter::repeat_n(b'a' + dice.roll(26) as u8, dice.roll(5000))),
            _ => out.extend_from_slice(PIECES[dice.roll(PIECES.len())].as_bytes()),
        }
    }
    out
}

fn ask_everything(raw: Vec<u8>, options: &ViewOptions) {
    const QUERIES: [&str; 22] = [
        "ALL",
        "ALL:raw",
        "ALL-TRUSTED",
        "ALL-TRUSTED:raw",
        "ALL-EXTERNAL",
        "From:addr",
        "From:name",
        "From:raw",
        "From:addr:domain",
        "To:addr:first",
        "ToCc",
        "ToCc:raw",
        "MESSAGEID:host",
        "MESSAGEID:raw",
        "EnvelopeFrom",
        "EnvelopeFrom:addr:host",
        "Subject",
        "Received:ip",
        "Received:revip",
        "X-Spam-Relays-Untrusted",
        "X-AuthorDomain",
        "Subject:last",
    ];
    let mail = Mail::parse(raw);
    let arrival = Arrival::FromFields;
    let reading = Reading::new(&mail, &arrival, options);
    for query in QUERIES {
        let query = HeaderQuery::parse(query).unwrap();
        reading.header(&query);
        for id in 0..mail.parts().len().min(20) {
            reading.part_header(id, &query);
        }
    }
    let pieces = reading.body().len() + reading.rawbody().len() + reading.visible().len() + reading.invisible().len();
    assert!(pieces <= 4 * (reading.full().len() * 8 + 16));
    reading.links();
    reading.uris();
    reading.html();
    mail.defects();
    mail.parts().iter().for_each(|part| {
        part.decoded();
    });
    assert!(mail.parts().iter().enumerate().all(|(id, part)| part.parent.is_none_or(|p| p < id && mail.parts()[p].children.contains(&id))));
}

fn options(normalize: bool) -> ViewOptions {
    let mut options = ViewOptions { normalize_charset: normalize, ..ViewOptions::default() };
    let domains = std::sync::Arc::make_mut(&mut options.domains);
    domains.tlds.extend(["com".to_string(), "example".to_string()]);
    options.originating_ip_headers.push("To".into());
    options
}

#[test]
fn no_message_makes_a_view_fall_over() {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let options = [options(true), options(false)];
    for round in 0..1500 {
        ask_everything(message(&mut dice), &options[round % 2]);
    }
}

#[test]
fn hostile_repetition_takes_linear_time() {
    let options = options(true);
    let header = "Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n";
    for piece in [
        "--b\n",
        "--b\nContent-Type: multipart/mixed; boundary=b\n\n",
        "--b\nContent-Type: message/rfc822\n\n",
        "\n",
        " \n",
        "x",
        "=",
        "=\n",
        "<",
        "<p>",
        "<a href=x>",
        "&",
        "http://a.example/ ",
        "\u{a0}",
        "a@b.example ",
        "www.",
        "--",
        "\0",
    ] {
        let mut raw = header.as_bytes().to_vec();
        raw.extend(piece.repeat(400_000 / piece.len()).into_bytes());
        let begun = Instant::now();
        ask_everything(raw, &options);
        assert!(begun.elapsed() < Duration::from_secs(20), "{piece:?} took {:?}", begun.elapsed());
    }
    for piece in [
        "From: ",
        "From: <",
        "a: b\n",
        "To: x <a@b.example>, ",
        "Received: from a (b) (c) by ",
        "=?a?q?b?= ",
        ":",
        "(",
        "\"",
        "\\",
        " by with (",
        "\n ",
    ] {
        let raw = format!("From: {}\n\nx", piece.repeat(400_000 / piece.len()));
        let begun = Instant::now();
        ask_everything(raw.into_bytes(), &options);
        assert!(begun.elapsed() < Duration::from_secs(20), "{piece:?} took {:?}", begun.elapsed());
    }
}

/// Patterns that backtrack without end in a machine that lets them.
const HOSTILE_RULES: &str = r"
body HOSTILE_1 /(a+)+$/
body HOSTILE_2 /(.*)*x/
body HOSTILE_3 /^(\w+\s?)*$/
body HOSTILE_4 /(a|aa)+$/
body HOSTILE_5 /(?:.*,){30}P/
body HOSTILE_6 /([a-z0-9]+)*\1\1\1z/
rawbody HOSTILE_7 /(a+)+!/
rawbody HOSTILE_8 /(?:a?){40}a{40}b/s
rawbody HOSTILE_9 /(.*)=(.*)=(.*)=(.*)=\1/s
full HOSTILE_10 /^(?:[^\n]*\n)*[^\n]*([^\n]+)\n\1Q/m
full HOSTILE_11 /(x+x+)+y/
uri HOSTILE_12 /(?:[a-z]+\.?)+;$/
header HOSTILE_13 ALL =~ /(?:(?:[^\n]+\n)+)+\x00/
header HOSTILE_14 Subject =~ /^(([a-z])+.)+[A-Z]([a-z])+$/
";

/// Mail that makes rules and views work hardest, by name.
fn hostile_mail() -> Vec<(String, Vec<u8>)> {
    let head = "From: <a@sender.example>\r\nTo: <b@victim.example>\r\nSubject: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\r\n";
    let plain = |body: String| format!("{head}\r\n{body}\r\n");
    let html = |body: String| format!("{head}MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n{body}\r\n");
    let mixed = |body: String| format!("{head}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{body}--b--\r\n");
    let nested: String =
        (0..5000).map(|at| format!("Content-Type: multipart/mixed; boundary=b{at}\r\n\r\n--b{at}\r\n")).collect::<String>() + "\r\nx\r\n";
    let links = |count: usize, form: &dyn Fn(usize) -> String| (0..count).map(form).collect::<String>();
    let mail = [
        ("line of 1 MB: a", plain("a".repeat(1 << 20))),
        ("line of 1 MB: words", plain("aaaa bbbb ".repeat(100_000))),
        ("line of 1 MB: a,", plain("a,".repeat(1 << 19))),
        ("line of 1 MB: digits", plain("1".repeat(1 << 20))),
        ("line of 1 MB: x=", plain("x=".repeat(1 << 19))),
        ("line of 1 MB: money", plain("$1,000,000.00 USD million ".repeat(40_000))),
        ("forms", plain("Full Name: Address, Phone Number: Age: Sex: Occupation: Country ".repeat(16_000))),
        ("empty lines", plain("\r\n".repeat(1 << 19))),
        ("octets above 127", plain("\u{e9}\u{20ac}".repeat(200_000))),
        ("100,000 links", plain(links(100_000, &|at| format!("http://a{at}.example.com/{at}\r\n")))),
        ("100,000 links in HTML", html(links(100_000, &|at| format!("<a href='http://a{at}.example.com/'>b</a>\n")))),
        ("100,000 tags", html("<font size=1><b>a".repeat(100_000))),
        ("open tags", html("<a href=".repeat(100_000))),
        ("styles", html("<p style='font-size:1px;color:#fff;display:none'>a".repeat(20_000))),
        ("10,000 parts", mixed("--b\r\n\r\nx\r\n".repeat(10_000))),
        ("10,000 attachments", mixed("--b\r\nContent-Type: application/zip; name=a.zip\r\n\r\nPK\r\n".repeat(10_000))),
        ("5,000 levels", format!("{head}{nested}")),
        ("50,000 levels of mail", format!("{head}{}\r\nx\r\n", "Content-Type: message/rfc822\r\n\r\n".repeat(50_000))),
        ("100,000 fields", format!("{}{head}\r\nx\r\n", "X-A: b\r\n".repeat(100_000))),
        ("10,000 Received", format!("{}{head}\r\nx\r\n", "Received: from a (b [192.0.2.1]) by c with SMTP id 123;\r\n".repeat(10_000))),
        ("field of 1 MB", format!("X-A: {}\r\n{head}\r\nx\r\n", "a".repeat(1 << 20))),
        (
            "same names in all fields",
            format!("{}{head}\r\nx\r\n", "From: a@b.example\r\nTo: a@b.example\r\nSubject: a@b.example\r\n".repeat(3000)),
        ),
    ];
    let mut all: Vec<(String, Vec<u8>)> = mail.into_iter().map(|(name, text)| (name.to_owned(), text.into_bytes())).collect();
    if let Some(tools) = std::env::var_os("HAMGATE_TOOLS") {
        let folder = std::env::temp_dir().join(format!("hamgate-hostile-{}-{:?}", std::process::id(), std::thread::current().id()));
        let script = PathBuf::from(tools).join("genhostile.py");
        std::process::Command::new("python3").arg(script).arg(&folder).arg("0.3").output().expect("python3");
        let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
        files.sort();
        all.extend(files.iter().map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())));
        std::fs::remove_dir_all(&folder).unwrap();
    }
    all
}

/// Seconds of this thread.
fn cpu() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("getrusage");
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// A line of this process's memory, in MB.
fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc");
    let value = status.lines().find_map(|text| text.strip_prefix(line)).expect("a line of memory");
    value.trim().trim_end_matches(" kB").parse::<f64>().expect("kB") / 1e3
}

#[test]
#[ignore = "needs SpamAssassin's rules, a release build, and to run alone"]
fn hostile_mail_and_hostile_patterns_cost_little() {
    const SECONDS: f64 = 2.0;
    const MEGABYTES: f64 = 128.0;
    let own = std::env::temp_dir().join(format!("hamgate-hostile-{}.cf", std::process::id()));
    std::fs::write(&own, HOSTILE_RULES).unwrap();
    let engine = |more: Vec<PathBuf>| -> Engine {
        let mut rules = vec![PathBuf::from("/usr/share/spamassassin")];
        rules.extend(more);
        RuleArgs { rules, local: true, no_bayes: true, ..RuleArgs::default() }.engine().expect("rules load")
    };
    let engines = [("stock", engine(Vec::new())), ("hostile", engine(vec![own.clone()]))];
    std::fs::remove_file(&own).unwrap();
    let warm = b"From: a@b.example\nSubject: x\n\nx\n".to_vec();
    engines.iter().for_each(|(_, engine)| drop(engine.judge(warm.clone(), Arrival::FromFields, Wish::default())));
    let mut exceeded = Vec::new();
    println!("{:32} {:>8} {:>9} {:>9} {:>9}  out of budget", "message", "rules", "octets", "CPU s", "MB more");
    for (name, raw) in hostile_mail() {
        for (rules, engine) in &engines {
            let octets = raw.len();
            std::fs::write("/proc/self/clear_refs", "5").expect("the peak of memory begins anew");
            let (held, began) = (memory("VmRSS:"), cpu());
            let judged = engine.judge(raw.clone(), Arrival::FromFields, Wish::default());
            let (spent, more) = (cpu() - began, memory("VmHWM:") - held);
            let over = &judged.findings.over_budget;
            println!("{name:32} {rules:>8} {octets:9} {spent:9.3} {more:9.1}  {}", over.len());
            if spent > SECONDS || more > MEGABYTES {
                exceeded.push(format!("{name} with {rules} rules: {spent:.3} s, {more:.1} MB"));
            }
        }
    }
    assert!(exceeded.is_empty(), "over {SECONDS} s or {MEGABYTES} MB:\n{}", exceeded.join("\n"));
}
