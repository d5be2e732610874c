//! Messages whose structure mail readers take differently, made from a grammar of MIME and mutations of it. Each hides
//! the harmless test file that every antivirus program knows.

/// One message.
pub struct Shape {
    pub class: &'static str,
    pub name: String,
    pub raw: Vec<u8>,
}

/// The test file of EICAR, put together here so that this source is not taken for it.
pub fn payload() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$", "EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].concat().into_bytes()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0u32, |b, (i, o)| b | u32::from(*o) << (16 - 8 * i));
        for i in 0..4 {
            out.push(if i <= chunk.len() { char::from(ALPHABET[(bits >> (18 - 6 * i) & 63) as usize]) } else { '=' });
        }
    }
    out
}

fn lines(text: &str, width: usize) -> String {
    text.as_bytes().chunks(width).map(|l| String::from_utf8_lossy(l).into_owned()).collect::<Vec<_>>().join("\r\n")
}

fn quoted(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("={b:02X}")).collect::<Vec<_>>().chunks(20).map(<[String]>::concat).collect::<Vec<_>>().join("=\r\n")
}

fn uuencoded(bytes: &[u8]) -> String {
    let mut out = String::new();
    for line in bytes.chunks(45) {
        let six = |v: u32| if v == 0 { '`' } else { char::from(32 + v as u8) };
        out.push(six(line.len() as u32));
        for group in line.chunks(3) {
            let bits = group.iter().enumerate().fold(0u32, |b, (i, o)| b | u32::from(*o) << (16 - 8 * i));
            (0..4).for_each(|i| out.push(six(bits >> (18 - 6 * i) & 63)));
        }
        out.push_str("\r\n");
    }
    out + "`\r\n"
}

/// Everything that a mutation may change.
#[derive(Clone)]
struct Plan {
    /// Lines of the message's own section after the usual ones.
    top: Vec<String>,
    /// The line before each part, and the last one.
    open: String,
    close: String,
    preamble: String,
    part: Vec<String>,
    separator: String,
    body: String,
    epilogue: String,
    newline: &'static str,
}

impl Plan {
    fn new() -> Plan {
        Plan {
            top: vec!["MIME-Version: 1.0".into(), "Content-Type: multipart/mixed; boundary=\"real\"".into()],
            open: "--real".into(),
            close: "--real--".into(),
            preamble: String::new(),
            part: attachment("base64"),
            separator: "\r\n".into(),
            body: lines(&base64(&payload()), 76),
            epilogue: String::new(),
            newline: "\r\n",
        }
    }

    fn top_type(&mut self, value: &str) -> &mut Plan {
        self.top[1] = format!("Content-Type: {value}");
        self
    }

    fn render(&self) -> Vec<u8> {
        let mut text = String::from(
            "From: <a@sender.example>\r\nTo: <b@receiver.example>\r\nSubject: report\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@sender.example>\r\n",
        );
        self.top.iter().for_each(|l| text.push_str(&format!("{l}\r\n")));
        text.push_str(&format!("\r\n{}{}\r\nContent-Type: text/plain\r\n\r\nsee attached\r\n{}\r\n", self.preamble, self.open, self.open));
        text.push_str(&self.part.join("\r\n"));
        text.push_str("\r\n");
        text.push_str(&self.separator);
        text.push_str(&format!("{}\r\n{}\r\n{}", self.body, self.close, self.epilogue));
        let text = if self.newline == "\r\n" { text } else { text.replace("\r\n", self.newline) };
        // Characters up to U+00FF stand for octets.
        text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
    }
}

fn attachment(encoding: &str) -> Vec<String> {
    vec![
        "Content-Type: application/octet-stream; name=\"eicar.com\"".into(),
        "Content-Disposition: attachment; filename=\"eicar.com\"".into(),
        format!("Content-Transfer-Encoding: {encoding}"),
    ]
}

/// All of them, in a fixed order.
pub fn shapes() -> Vec<Shape> {
    let mut made = Vec::new();
    let makers: &[(&'static str, fn(&mut dyn FnMut(String, Plan)))] = &[
        ("two content types", doubled_types),
        ("two boundary parameters", two_boundaries),
        ("encoded boundary", encoded_boundary),
        ("quoting of the boundary", quoted_boundary),
        ("near-miss boundary lines", near_miss),
        ("field names", field_names),
        ("comments and junk in the type", broken_types),
        ("two transfer encodings", doubled_encodings),
        ("junk in the transfer encoding", broken_encodings),
        ("damaged base64", damaged_base64),
        ("damaged quoted-printable", damaged_quoted),
        ("uuencode", uuencode),
        ("line ends", line_ends),
        ("separator of fields and body", separators),
        ("beyond the structure", margins),
        ("nesting", nesting),
        ("truncated", truncated),
    ];
    for (class, make) in makers {
        let mut number = 0;
        make(&mut |name, plan: Plan| {
            number += 1;
            made.push(Shape { class, name: format!("{number:03} {name}"), raw: plan.render() });
        });
    }
    mutations(&mut made);
    made
}

type Add<'a> = &'a mut dyn FnMut(String, Plan);

fn doubled_types(add: Add<'_>) {
    let real = "multipart/mixed; boundary=\"real\"";
    for other in [
        "text/plain",
        "text/html; charset=utf-8",
        "multipart/mixed; boundary=\"other\"",
        "multipart/alternative; boundary=other",
        "application/octet-stream",
        "message/rfc822",
        "image/png",
        "",
        "x",
        "multipart/mixed",
    ] {
        for (first, second) in [(real, other), (other, real)] {
            for name in ["Content-Type", "content-type", "CONTENT-TYPE"] {
                let mut plan = Plan::new();
                plan.top = vec!["MIME-Version: 1.0".into(), format!("Content-Type: {first}"), format!("{name}: {second}")];
                add(format!("{first} then {second} as {name}"), plan);
            }
        }
    }
    for other in ["text/plain", "message/rfc822", "multipart/mixed; boundary=zz", "text/html"] {
        for before in [true, false] {
            let mut plan = Plan::new();
            plan.part.insert(if before { 0 } else { 1 }, format!("Content-Type: {other}"));
            add(format!("part also {other}"), plan);
        }
    }
}

fn two_boundaries(add: Add<'_>) {
    for (first, second) in [("real", "other"), ("other", "real")] {
        for form in [
            "; boundary={1}; boundary={2}",
            "; boundary=\"{1}\"; boundary=\"{2}\"",
            "; boundary={1}; charset=x; boundary={2}",
            "; boundary={1}; BOUNDARY={2}",
            "; boundary={1} boundary={2}",
            ";boundary={1};;boundary={2}",
            "; boundary=\"{1}\" boundary=\"{2}\"",
            "; boundary={1}\r\n ; boundary={2}",
            "; xboundary={1}; boundary={2}",
            "; boundary={1}; boundary*={2}",
            "; boundary*=us-ascii''{1}; boundary={2}",
            "; boundary*0={1}; boundary={2}",
        ] {
            for kind in ["multipart/mixed", "multipart/related", "multipart/alternative"] {
                let mut plan = Plan::new();
                plan.top_type(&format!("{kind}{}", form.replace("{1}", first).replace("{2}", second)));
                add(form.to_owned(), plan);
            }
        }
    }
}

fn encoded_boundary(add: Add<'_>) {
    for form in [
        "boundary*=us-ascii''real",
        "boundary*=utf-8'en'%72%65al",
        "boundary*0=re; boundary*1=al",
        "boundary*1=al; boundary*0=re",
        "boundary*0*=us-ascii''%72e; boundary*1=al",
        "boundary*0=\"re\"; boundary*1=\"al\"",
        "boundary==?us-ascii?Q?real?=",
        "boundary=\"=?us-ascii?Q?real?=\"",
        "boundary=\"=?utf-8?B?cmVhbA==?=\"",
        "boundary=\"=?utf-8?Q?=72eal?=\"",
        "boundary=r=65al",
        "boundary=%72eal",
        "boundary*=real",
        "boundary*0*=real",
        "boundary*00=real",
        "boundary*2=real",
        "bound\u{e4}ry=real",
        "boundary =real",
        "boundary= real",
        "boundary\t=\t\"real\"",
        "=?us-ascii?Q?boundary=3Dreal?=",
    ] {
        for kind in ["multipart/mixed", "Multipart/Mixed", "multipart/report", "multipart/x-unknown"] {
            let mut plan = Plan::new();
            plan.top_type(&format!("{kind}; {form}"));
            add(form.to_owned(), plan);
        }
    }
}

fn quoted_boundary(add: Add<'_>) {
    for (value, line) in [
        ("\"real", "real"),
        ("real\"", "real"),
        ("'real'", "real"),
        ("'real'", "'real'"),
        ("\"re\\al\"", "real"),
        ("\"re\\al\"", "re\\al"),
        ("\"re\"al", "re"),
        ("\"re\"al", "real"),
        ("\"re\" \"al\"", "real"),
        ("re al", "re"),
        ("re al", "re al"),
        ("\"re al \"", "re al"),
        ("\"re al \"", "re al "),
        ("\" real\"", " real"),
        ("\" real\"", "real"),
        ("real(c)", "real"),
        ("real(c)", "real(c)"),
        ("(c)real", "real"),
        ("\"real(c)\"", "real(c)"),
        ("real,", "real"),
        ("real,", "real,"),
        ("re/al", "re/al"),
        ("re=al", "re=al"),
        ("re:al", "re:al"),
        ("re?al", "re?al"),
        ("<real>", "<real>"),
        ("[real]", "[real]"),
        ("re\0al", "re"),
        ("re\0al", "re\0al"),
        ("\"re\ral\"", "real"),
        ("\"re\r\n al\"", "re al"),
        ("\"re\r\n al\"", "real"),
        ("\"\"", ""),
        ("", ""),
        ("\"\"real", "real"),
        ("real\u{e9}", "real\u{e9}"),
        ("real\u{e9}", "real"),
        ("\"r;eal\"", "r;eal"),
        ("r;eal", "r"),
        ("\"\\\"real\\\"\"", "\"real\""),
        ("\"real\\\"", "real\\"),
        ("real--", "real--"),
        ("--real", "--real"),
        ("\t\"real\"\t", "real"),
        ("rEaL", "REAL"),
        ("rEaL", "real"),
    ] {
        let mut plan = Plan::new();
        plan.top_type(&format!("multipart/mixed; boundary={value}"));
        (plan.open, plan.close) = (format!("--{line}"), format!("--{line}--"));
        add(format!("{value} as {line}"), plan.clone());
        plan.top_type(&format!("multipart/mixed;\r\n\tboundary={value}; charset=utf-8"));
        add(format!("{value} as {line}, folded"), plan);
    }
    let long = "r".repeat(300);
    for cut in [70, 71, 128, 255, 256, 299] {
        let mut plan = Plan::new();
        plan.top_type(&format!("multipart/mixed; boundary=\"{long}\""));
        (plan.open, plan.close) = (format!("--{}", &long[..cut]), format!("--{}--", &long[..cut]));
        add(format!("cut to {cut}"), plan);
    }
}

fn near_miss(add: Add<'_>) {
    for open in [
        " --real",
        "\t--real",
        "--real ",
        "--real\t",
        "--realx",
        "--real x",
        "--real;",
        "--real\0",
        "--real\u{b}",
        "--real\u{c}",
        "-- real",
        "-real",
        "---real",
        "--REAL",
        "--Real",
        "--rea",
        "--real(c)",
        "--\"real\"",
        "--real\u{a0}",
        "\u{b}--real",
        "\u{c}--real",
        "\0--real",
        "--re\0al",
        "--real-",
        "--real--x",
        "--real -- ",
        "> --real",
        "x--real",
        "\u{ef}\u{bb}\u{bf}--real",
        "--real\r",
        "\r--real",
        "--r\u{e9}al",
        "--real=20",
        "=--real",
        "--=72eal",
    ] {
        for close in [open.to_owned() + "--", "--real--".to_owned(), String::new()] {
            let mut plan = Plan::new();
            (plan.open, plan.close) = (open.to_owned(), close.clone());
            add(format!("{open:?} {close:?}"), plan);
        }
    }
}

fn field_names(add: Add<'_>) {
    for name in [
        "Content-Type ",
        "Content-Type\t",
        " Content-Type",
        "Content-Type\0",
        "Content\0-Type",
        "Content-Type\r\n ",
        "Content-Type\u{a0}",
        "Content_Type",
        "Content-Type\u{b}",
        "\u{ef}\u{bb}\u{bf}Content-Type",
        "Content-Typ\u{e9}",
        "Content-Type;",
        "Content-Type:",
        "content-TYPE",
        "Content -Type",
        "Content- Type",
        "\"Content-Type\"",
        "Content-Type(c)",
        "=?us-ascii?Q?Content-Type?=",
        "X\r\nContent-Type",
    ] {
        let mut plan = Plan::new();
        plan.top[1] = format!("{name}: multipart/mixed; boundary=\"real\"");
        add(format!("top {name:?}"), plan);
        let mut plan = Plan::new();
        plan.part[0] = format!("{name}: application/octet-stream");
        add(format!("part {name:?}"), plan);
        let mut plan = Plan::new();
        plan.part[2] = format!(
            "{}: base64",
            name.replace("Type", "Transfer-Encoding").replace("TYPE", "TRANSFER-ENCODING").replace("Typ\u{e9}", "Transfer-Encodin\u{e9}")
        );
        add(format!("encoding {name:?}"), plan);
    }
    for line in [
        "Content-Type multipart/mixed; boundary=real",
        "Content-Type= multipart/mixed; boundary=real",
        "Content-Type:\r\n multipart/mixed;\r\n boundary=real",
        "Content-Type:\r\nmultipart/mixed; boundary=real",
        "Content-Type:\r\n\t\r\n multipart/mixed; boundary=real",
        "Content-Type: multipart/mixed;\r\nboundary=real",
        "Content-Type: multipart/mixed;\r\n\r\n boundary=real",
    ] {
        let mut plan = Plan::new();
        plan.top[1] = line.into();
        add(format!("{line:?}"), plan);
    }
    for version in ["", "MIME-Version: 2.0", "MIME-Version: 1.0 (x)", "MIME-Version: x", "MIME-Version : 1.0"] {
        let mut plan = Plan::new();
        plan.top[0] = if version.is_empty() { "X-None: 1".into() } else { version.into() };
        add(format!("version {version:?}"), plan);
    }
}

fn broken_types(add: Add<'_>) {
    for value in [
        "(c)multipart/mixed; boundary=real",
        "multipart(c)/mixed; boundary=real",
        "multipart/(c)mixed; boundary=real",
        "multipart/mixed(c); boundary=real",
        "multipart/mixed; (c)boundary=real",
        "multipart/mixed; boundary(c)=real",
        "multipart/mixed; boundary=(c)real",
        "multipart/mixed; boundary=real(c)",
        "multipart/mixed;(boundary=other)boundary=real",
        "multipart/mixed; (;boundary=other;) boundary=real",
        "multipart/mixed (; boundary=real",
        "multipart / mixed; boundary=real",
        "multipart/ mixed; boundary=real",
        "multipart /mixed; boundary=real",
        "multipart; boundary=real",
        "multipart/; boundary=real",
        "/mixed; boundary=real",
        "multipart/mixed boundary=real",
        "multipart/mixed, boundary=real",
        "multipart/mixed: boundary=real",
        "multipart/mixed;;;boundary=real",
        "multipart/mixed;boundary=real;",
        "multipart/mixed/x; boundary=real",
        "\"multipart/mixed\"; boundary=real",
        "multipart\\/mixed; boundary=real",
        "multip\0art/mixed; boundary=real",
        "multipart/mixed\0; boundary=real",
        "=?us-ascii?Q?multipart/mixed?=; boundary=real",
        "multipart/mixed; charset=\"x; boundary=real",
        "multipart/mixed; x=\"; boundary=other; \"; boundary=real",
        "multipart/mixed; x=\\\"; boundary=real",
        "multipart/mixed; name=a;b; boundary=real",
        "x; multipart/mixed; boundary=real",
        "text/plain, multipart/mixed; boundary=real",
        "text/plain; multipart/mixed; boundary=real",
        "text/plain; boundary=real",
        "text/html; boundary=real",
        "application/octet-stream; boundary=real",
        "message/rfc822; boundary=real",
        "mixed; boundary=real",
        "multipart\u{e9}/mixed; boundary=real",
        "multipart/mixed\u{a0}; boundary=real",
        "boundary=real",
        "; boundary=real",
        "",
        "multipart/mixed",
        "multipart/digest; boundary=real",
        "multipart/byteranges; boundary=real",
        "multipart/form-data; boundary=real",
        "multipart/encrypted; boundary=real",
        "multipart/signed; boundary=real",
        "multipart/appledouble; boundary=real",
        "message/partial; boundary=real",
        "multipart/mixed; boundary=real; boundary",
        "multipart/mixed; boundary; boundary=real",
    ] {
        let mut plan = Plan::new();
        plan.top_type(value);
        add(format!("{value:?}"), plan);
    }
    for value in [
        "text/plain",
        "text/html",
        "message/rfc822",
        "message/partial; id=x; number=1; total=1",
        "message/external-body; access-type=local-file",
        "multipart/mixed; boundary=none",
        "multipart/mixed",
        "application",
        "",
        "application/octet-stream(",
        "application/octet-stream; name=\"eicar.com",
        "application/octet-stream; name*=utf-8''eicar%2Ecom",
        "image/png",
        "text/plain; charset=utf-7",
        "text/plain; charset=utf-16",
        "application/applefile",
        "x/y/z",
    ] {
        let mut plan = Plan::new();
        plan.part[0] = format!("Content-Type: {value}");
        add(format!("part {value:?}"), plan);
    }
}

fn doubled_encodings(add: Add<'_>) {
    for other in ["7bit", "8bit", "binary", "quoted-printable", "", "x", "x-uuencode", "base64x"] {
        for (body, real) in [(lines(&base64(&payload()), 76), "base64"), (quoted(&payload()), "quoted-printable")] {
            if other == real {
                continue;
            }
            for (first, second) in [(real, other), (other, real)] {
                for name in ["Content-Transfer-Encoding", "content-transfer-encoding", "Content-Transfer-Encoding "] {
                    let mut plan = Plan::new();
                    plan.part[2] = format!("Content-Transfer-Encoding: {first}");
                    plan.part.push(format!("{name}: {second}"));
                    plan.body = body.clone();
                    add(format!("{first} then {second}"), plan);
                }
            }
        }
    }
}

fn broken_encodings(add: Add<'_>) {
    for (body, real) in [(lines(&base64(&payload()), 76), "base64"), (quoted(&payload()), "quoted-printable")] {
        let half = real.len() / 2;
        let (head, tail) = real.split_at(half);
        for value in [
            format!("{real};"),
            format!("{real}; x=y"),
            format!("{real} x"),
            format!("x {real}"),
            format!("(c){real}"),
            format!("{real}(c)"),
            format!("(c) {real} (d)"),
            format!("\"{real}\""),
            format!("'{real}'"),
            format!("{real}\0"),
            format!("{head}\0{tail}"),
            format!("{real},7bit"),
            format!("7bit,{real}"),
            format!("{head} {tail}"),
            format!("{head}(c){tail}"),
            format!("=?us-ascii?Q?{real}?="),
            format!("\r\n {real}"),
            format!("\r\n\t\r\n {real}"),
            format!("{real}\u{a0}"),
            format!("{real}\u{e9}"),
            format!("\u{e9}{real}"),
            format!("x-{real}"),
            format!("{real}-x"),
            real.to_uppercase(),
            format!("{real}\u{b}"),
            format!("\u{c}{real}"),
            format!("{head}\\{tail}"),
            format!("{real}/x"),
            format!("={real}"),
            format!("{real}="),
            format!("{head}\r\n {tail}"),
            "unknown".into(),
            String::new(),
            "7bit".into(),
            "none".into(),
        ] {
            let mut plan = Plan::new();
            plan.part[2] = format!("Content-Transfer-Encoding: {value}");
            plan.body = body.clone();
            add(format!("{value:?}"), plan);
        }
        for line in [
            format!("Content-Transfer-Encoding {real}"),
            format!("Content-Transfer-Encoding= {real}"),
            format!("Content-Encoding: {real}"),
            format!("Content-Transfer-Encoding:{real}\r\n x"),
            format!("X-Content-Transfer-Encoding: {real}"),
            format!("Content-Transfer_Encoding: {real}"),
            format!("Content-Transfer-Encodings: {real}"),
        ] {
            let mut plan = Plan::new();
            plan.part[2] = line.clone();
            plan.body = body.clone();
            add(format!("{line:?}"), plan);
        }
    }
}

fn damaged_base64(add: Add<'_>) {
    let clean = base64(&payload());
    let put = |at: usize, what: &str| format!("{}{what}{}", &clean[..at], &clean[at..]);
    let mut bodies: Vec<String> = Vec::new();
    for what in [
        "!",
        "*",
        "-",
        " ",
        "\t",
        "\0",
        "\u{e9}",
        "\r\n",
        "\r\n\r\n",
        "(c)",
        "\r\n--x\r\n",
        "&",
        "$$$",
        ".",
        "\u{b}",
        "\u{a0}",
        "#\r\n",
        "%",
        "\\",
        "\"",
        "~",
        "\r",
        "\n",
        "\r\n \r\n",
        "\r\n!!!!\r\n",
        "\r\n> \r\n",
    ] {
        for at in [0, 1, 4, 11, 40, clean.len()] {
            bodies.push(put(at, what));
        }
    }
    // Pieces that are encoded each for itself.
    let payload = payload();
    for size in [1, 2, 4, 5, 7, 10, 20, 34, 50] {
        let pieces: Vec<String> = payload.chunks(size).map(base64).collect();
        bodies.push(pieces.concat());
        bodies.push(pieces.join("\r\n"));
        bodies.push(pieces.join(" "));
    }
    let bare = clean.trim_end_matches('=');
    bodies.extend([
        bare.to_owned(),
        format!("{bare}===="),
        format!("{clean}===="),
        format!("===={clean}"),
        format!("={clean}"),
        format!("{clean}\r\n{}", base64(b"tail")),
        format!("{clean}\r\njunk behind it!"),
        format!("junk before it!\r\n{clean}"),
        clean.replace('+', "-").replace('/', "_"),
    ]);
    bodies.extend([1, 2, 3, 5, 77, 200].map(|width| lines(&clean, width)));
    bodies.push(clean.chars().map(|c| format!("{c} ")).collect());
    bodies.push(clean.chars().map(|c| format!("{c}!")).collect());
    bodies.push(clean.chars().map(|c| format!("={:02X}", u32::from(c))).collect::<Vec<_>>().concat());
    for body in bodies {
        let mut plan = Plan::new();
        plan.body.clone_from(&body);
        add(format!("{:?}", body.chars().take(30).collect::<String>()), plan);
    }
}

fn damaged_quoted(add: Add<'_>) {
    let clean = quoted(&payload());
    let plain = String::from_utf8_lossy(&payload()).into_owned();
    let mut bodies = vec![
        clean.clone(),
        clean.to_lowercase(),
        clean.replace("=\r\n", "= \r\n"),
        clean.replace("=\r\n", "=\t \r\n"),
        clean.replace("=\r\n", "=\n"),
        clean.replace("=\r\n", "=\r"),
        clean.replace("=\r\n", "=\r\n\r\n"),
        clean.replace('=', "= "),
        clean.replace('=', "=\r\n"),
        plain.clone(),
        format!("{plain}="),
        format!("{plain}=\r\n"),
        format!("{plain}=4"),
        format!("{plain}=ZZ"),
        format!("=\r\n{plain}"),
        format!("=ZZ{plain}"),
        format!("{}=\r\n{}", &plain[..20], &plain[20..]),
        format!("{}= \r\n{}", &plain[..20], &plain[20..]),
        format!("{}=\0{}", &plain[..20], &plain[20..]),
        format!("{}\u{e9}{}", &plain[..20], &plain[20..]),
        format!("{}={}", &plain[..20], &plain[20..]),
        format!("{}=G1{}", &plain[..20], &plain[20..]),
        format!("{}==\r\n{}", &plain[..20], &plain[20..]),
    ];
    for at in [3, 9, 30] {
        bodies.push(format!("{}={}", &clean[..at * 3 - 3], &clean[at * 3 - 3..]));
        bodies.push(format!("{}= {}", &clean[..at - 3], &clean[at - 3..]));
        bodies.push(format!("{}\r\n{}", &clean[..at - 2], &clean[at - 2..]));
    }
    bodies.push(payload().iter().map(|b| format!("=3D{b:02X}")).collect());
    for body in bodies {
        let mut plan = Plan::new();
        plan.part = attachment("quoted-printable");
        plan.body.clone_from(&body);
        add(format!("{:?}", body.chars().take(40).collect::<String>()), plan);
    }
}

fn uuencode(add: Add<'_>) {
    let clean = uuencoded(&payload());
    for encoding in ["x-uuencode", "uuencode", "x-uue", "7bit", "", "base64"] {
        for body in [
            format!("begin 644 eicar.com\r\n{clean}end"),
            format!("begin 666 eicar.com\r\n{clean}"),
            format!("text before\r\nbegin 644 eicar.com\r\n{clean}end\r\ntext after"),
            format!("begin 0644 eicar.com\r\n{clean}end"),
            format!("begin 644 a b c.com\r\n{clean}end"),
            format!("begin 644  eicar.com \r\n{}end", clean.replace('`', " ")),
            clean.clone(),
            format!("begin-base64 644 eicar.com\r\n{}\r\n====", base64(&payload())),
        ] {
            let mut plan = Plan::new();
            plan.part = attachment(encoding);
            plan.body.clone_from(&body);
            if encoding.is_empty() {
                plan.part = vec!["Content-Type: text/plain".into()];
            }
            add(format!("{encoding} {:?}", body.chars().take(30).collect::<String>()), plan);
        }
    }
}

fn line_ends(add: Add<'_>) {
    for newline in ["\r", "\n", "\r\r\n", "\n\r", "\r\n"] {
        for encoding in ["base64", "quoted-printable", "7bit"] {
            let mut plan = Plan::new();
            plan.part = attachment(encoding);
            plan.body = match encoding {
                "base64" => lines(&base64(&payload()), 40),
                "quoted-printable" => quoted(&payload()),
                _ => String::from_utf8_lossy(&payload()).into_owned(),
            };
            plan.newline = newline;
            add(format!("{newline:?} {encoding}"), plan);
        }
    }
    for odd in ["\r", "\n", "\u{b}", "\u{c}", "\0", "\u{85}"] {
        let mut plan = Plan::new();
        plan.part = vec![plan.part.join(odd)];
        add(format!("fields parted by {odd:?}"), plan);
        let mut plan = Plan::new();
        plan.separator = odd.into();
        add(format!("body begins behind {odd:?}"), plan);
        let mut plan = Plan::new();
        plan.open = format!("{odd}--real");
        add(format!("boundary behind {odd:?}"), plan);
        let mut plan = Plan::new();
        plan.top_type(&format!("multipart/mixed;{odd}boundary=real"));
        add(format!("parameter behind {odd:?}"), plan);
    }
}

fn separators(add: Add<'_>) {
    for separator in [
        "",
        " \r\n",
        "\t\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        "\0\r\n",
        "x\r\n",
        ":\r\n",
        "X-Last: 1\r\n\r\n",
        " folded\r\n\r\n",
        "no field\r\n\r\n",
        "no field\r\n",
        "\u{a0}\r\n",
        "\r\r\n",
        "From x\r\n\r\n",
        "--\r\n\r\n",
        "Content-Type: text/plain\r\n\r\n",
        "\u{b}\r\n",
        "\u{c}\r\n",
        ".\r\n",
        ">From x\r\n\r\n",
        "=\r\n",
        "-\r\n",
    ] {
        for (encoding, body) in [("base64", lines(&base64(&payload()), 76)), ("quoted-printable", quoted(&payload()))] {
            let mut plan = Plan::new();
            plan.part = attachment(encoding);
            (plan.separator, plan.body) = (separator.into(), body);
            add(format!("{encoding} {separator:?}"), plan);
        }
    }
    // The fields of a part stand behind its empty line.
    for late in 1..=3 {
        let mut plan = Plan::new();
        let behind = plan.part.split_off(3 - late);
        plan.separator = format!("\r\n{}\r\n\r\n", behind.join("\r\n"));
        add(format!("{late} fields late"), plan);
    }
    let mut plan = Plan::new();
    plan.part.insert(0, String::new());
    add("an empty line first".into(), plan);
    let mut plan = Plan::new();
    plan.part.insert(0, "no field at all".into());
    add("a line that is no field first".into(), plan);
    let mut plan = Plan::new();
    plan.part.insert(0, " folded".into());
    add("a folded line first".into(), plan);
}

fn margins(add: Add<'_>) {
    let part = |open: &str| format!("{open}\r\n{}\r\n\r\n{}\r\n", attachment("base64").join("\r\n"), lines(&base64(&payload()), 76));
    for open in ["--real", "--other", "", "--real--", "--"] {
        let mut plan = Plan::new();
        (plan.part, plan.body) = (vec!["Content-Type: text/plain".into()], "nothing".into());
        plan.epilogue = part(open);
        add(format!("epilogue {open}"), plan.clone());
        plan.epilogue += "--real--\r\n";
        add(format!("epilogue {open} closed"), plan.clone());
        plan.close = "--real--\r\n\r\n--real--".into();
        add(format!("epilogue {open} closed twice"), plan.clone());
        plan = Plan::new();
        (plan.part, plan.body) = (vec!["Content-Type: text/plain".into()], "nothing".into());
        plan.preamble = part(if open == "--real" { "" } else { open });
        add(format!("preamble {open}"), plan);
    }
    // A boundary of the outer multipart closes, and a part follows.
    let mut plan = Plan::new();
    plan.open = "--real--\r\n--real".into();
    add("closed before it opens".into(), plan);
    let mut plan = Plan::new();
    plan.close = String::new();
    plan.open = "--real--".into();
    add("opened by what closes".into(), plan);
}

fn nesting(add: Add<'_>) {
    let inner = {
        let mut plan = Plan::new();
        plan.top_type("multipart/mixed; boundary=\"inner\"");
        (plan.open, plan.close) = ("--inner".into(), "--inner--".into());
        String::from_utf8_lossy(&plan.render()).into_owned()
    };
    let body_of = |text: &str| text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    for encoding in ["7bit", "base64", "quoted-printable", "BASE64", "x", "x-uuencode"] {
        let encode = |text: &str| match encoding.to_ascii_lowercase().as_str() {
            "base64" => lines(&base64(text.as_bytes()), 76),
            "quoted-printable" => quoted(text.as_bytes()),
            "x-uuencode" => format!("begin 644 m.eml\r\n{}end", uuencoded(text.as_bytes())),
            _ => text.to_owned(),
        };
        for kind in [
            "message/rfc822",
            "message/global",
            "message/partial; id=\"x\"; number=1; total=1",
            "message/external-body",
            "message/news",
            "message/x",
            "text/rfc822-headers",
            "application/octet-stream; name=m.eml",
            "text/plain",
            "text/html",
        ] {
            let mut plan = Plan::new();
            plan.part = vec![format!("Content-Type: {kind}"), format!("Content-Transfer-Encoding: {encoding}")];
            plan.body = encode(&inner);
            add(format!("{kind} in {encoding}"), plan);
        }
        for kind in ["multipart/mixed; boundary=inner", "multipart/alternative; boundary=\"inner\"", "multipart/mixed; boundary=none"] {
            let mut plan = Plan::new();
            plan.part = vec![format!("Content-Type: {kind}"), format!("Content-Transfer-Encoding: {encoding}")];
            plan.body = encode(&body_of(&inner));
            add(format!("{kind} in {encoding}"), plan);
        }
        // The whole message's own body is encoded.
        let mut plan = Plan::new();
        plan.top.push(format!("Content-Transfer-Encoding: {encoding}"));
        let whole = String::from_utf8_lossy(&Plan::new().render()).into_owned();
        plan.preamble = encode(&body_of(&whole)) + "\r\n";
        (plan.open, plan.close, plan.part, plan.body) = (String::new(), String::new(), Vec::new(), String::new());
        add(format!("the message itself in {encoding}"), plan);
    }
    // Inner and outer boundary alike, or one the start of the other.
    for (outer, within) in [("real", "real"), ("real", "realx"), ("realx", "real"), ("real", "REAL")] {
        let mut plan = Plan::new();
        plan.top_type(&format!("multipart/mixed; boundary={outer}"));
        (plan.open, plan.close) = (format!("--{outer}"), format!("--{outer}--"));
        plan.part = vec![format!("Content-Type: multipart/mixed; boundary={within}")];
        let file = attachment("base64").join("\r\n");
        plan.body = format!("--{within}\r\n{file}\r\n\r\n{}\r\n--{within}--", lines(&base64(&payload()), 76));
        add(format!("{within} in {outer}"), plan);
    }
    for depth in [5, 15, 25, 40, 60] {
        let mut plan = Plan::new();
        let mut body = format!("{}\r\n\r\n{}", attachment("base64").join("\r\n"), lines(&base64(&payload()), 76));
        for i in 0..depth {
            body = format!("Content-Type: multipart/mixed; boundary=d{i}\r\n\r\n--d{i}\r\n{body}\r\n--d{i}--");
        }
        (plan.part, plan.separator, plan.body) = (Vec::new(), String::new(), body);
        add(format!("{depth} levels"), plan);
    }
}

fn truncated(add: Add<'_>) {
    for encoding in ["base64", "quoted-printable"] {
        let mut plan = Plan::new();
        plan.part = attachment(encoding);
        plan.body = if encoding == "base64" { lines(&base64(&payload()), 30) } else { quoted(&payload()) };
        plan.close = String::new();
        add(format!("{encoding} no end"), plan.clone());
        plan.close = "--rea".into();
        add(format!("{encoding} half an end"), plan.clone());
        plan.close = "--real-".into();
        add(format!("{encoding} most of an end"), plan.clone());
        plan.top_type("multipart/mixed; boundary=gone");
        add(format!("{encoding} another boundary"), plan.clone());
        plan.top.pop();
        add(format!("{encoding} no type"), plan.clone());
        plan.open = String::new();
        add(format!("{encoding} no boundary lines"), plan);
    }
    for field in 0..3 {
        let mut plan = Plan::new();
        plan.part.remove(field);
        plan.close = String::new();
        add(format!("without field {field}"), plan);
    }
}

/// Random edits of well-formed messages: an octet put in, taken out or changed in what structures them.
fn mutations(made: &mut Vec<Shape>) {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap_or(0)
    };
    let odd: &[u8] = b" \t\0\r\n;:=\"'()-_,\\/?*%<>\x0b\x0c\xa0x";
    for number in 0..600 {
        let mut plan = Plan::new();
        let encoding = ["base64", "quoted-printable"][number % 2];
        plan.part = attachment(encoding);
        if number % 2 == 1 {
            plan.body = quoted(&payload());
        }
        let mut raw = plan.render();
        let start = memchr::memmem::find(&raw, b"MIME-Version").unwrap_or(0);
        let end = memchr::memmem::find(&raw, if number % 2 == 0 { b"WDVP" } else { b"=58=" }).unwrap_or(raw.len());
        for _ in 0..=random(3) {
            let at = start + random(end - start);
            let octet = odd[random(odd.len())];
            match random(3) {
                0 => raw.insert(at, octet),
                1 => raw[at] = octet,
                _ => {
                    raw.remove(at);
                }
            }
        }
        made.push(Shape { class: "random edits", name: format!("{number:03}"), raw });
    }
}
