//! An attachment that a message's structure hides from other readers is among its parts, or the message is flagged.

use super::ambiguous_shapes::{Shape, payload, shapes};
use super::site::files_below;
use hamgate::mail::{Mail, attachments};
use mail_parser::{Message, MessageParser, PartType};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

/// Whether the very file is among the parts, and whether the message is flagged.
fn seen(raw: &[u8], file: &[u8]) -> (bool, bool) {
    let mail = Mail::parse(raw.to_vec());
    let mut found = false;
    let odd = attachments::walk(&mail, &mut |item| found |= item.bytes == file);
    (found, odd.iter().any(|defect| defect.word().starts_with("ambiguous-")))
}

fn mail_parser_sees(message: &Message<'_>, file: &[u8]) -> bool {
    message.parts.iter().any(|part| match &part.body {
        PartType::Message(inner) => mail_parser_sees(inner, file),
        PartType::Multipart(_) => false,
        PartType::Text(_) | PartType::Html(_) | PartType::Binary(_) | PartType::InlineBinary(_) => {
            part.contents().len() <= file.len() + 4 && part.contents().windows(file.len()).any(|window| window == file)
        }
    })
}

fn judge(hidden: &[&Shape]) {
    let file = payload();
    let mut classes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut missed: BTreeSet<String> = BTreeSet::new();
    for shape in hidden {
        let (found, flagged) = seen(&shape.raw, &file);
        let class = classes.entry(shape.class).or_default();
        class.0 += 1;
        class.1 += usize::from(found);
        if !found && !flagged {
            missed.insert(format!("{}: {}", shape.class, shape.name));
        }
    }
    for (class, (all, found)) in &classes {
        println!("{class}: {found} of {all}");
        assert!(found * 100 >= all * 90, "{class}: {found} of {all}");
    }
    let found: usize = classes.values().map(|(_, found)| found).sum();
    println!("{found} of {} seen, {} neither seen nor flagged", hidden.len(), missed.len());
    assert!(found * 100 >= hidden.len() * 97, "{found} of {}", hidden.len());
    assert!(missed.len() * 500 <= hidden.len(), "{missed:#?}");
}

#[test]
fn what_mail_parser_does_not_see_is_seen_or_flagged() {
    let file = payload();
    let all = shapes();
    let parser = MessageParser::default();
    let hidden: Vec<&Shape> =
        all.iter().filter(|shape| !parser.parse(&shape.raw).is_some_and(|message| mail_parser_sees(&message, &file))).collect();
    assert!(hidden.len() > 900, "{}", hidden.len());
    judge(&hidden);
}

#[test]
#[ignore = "needs python3"]
fn what_python_and_mail_parser_do_not_see_is_seen_or_flagged() {
    let (file, all, parser) = (payload(), shapes(), MessageParser::default());
    let folder = std::env::temp_dir().join(format!("hamgate-shapes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (number, shape) in all.iter().enumerate() {
        std::fs::write(folder.join(format!("{number:05}.eml")), &shape.raw).unwrap();
    }
    let script = r"
import email, os, sys
want = bytes.fromhex(sys.argv[2])
for name in sorted(os.listdir(sys.argv[1])):
    try:
        message = email.message_from_bytes(open(os.path.join(sys.argv[1], name), 'rb').read())
        parts = [p.get_payload(decode=True) or b'' for p in message.walk() if not p.is_multipart()]
    except Exception:
        parts = []
    if any(want in part and len(part) <= len(want) + 4 for part in parts):
        print(int(name[:5]))
";
    let hex: String = file.iter().map(|octet| format!("{octet:02x}")).collect();
    let output = Command::new("python3").args(["-c", script]).arg(&folder).arg(hex).output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let python: BTreeSet<usize> = String::from_utf8(output.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect();
    assert!(python.len() > 500, "{}", String::from_utf8_lossy(&output.stderr));
    let hidden: Vec<&Shape> = all
        .iter()
        .enumerate()
        .filter(|(number, shape)| {
            !python.contains(number) && !parser.parse(&shape.raw).is_some_and(|message| mail_parser_sees(&message, &file))
        })
        .map(|(_, shape)| shape)
        .collect();
    assert!(hidden.len() > 500, "{}", hidden.len());
    judge(&hidden);
}

#[test]
#[ignore = "needs HAMGATE_CORPUS"]
fn of_a_thousand_good_messages_at_most_one_is_flagged() {
    let corpus = PathBuf::from(std::env::var("HAMGATE_CORPUS").unwrap());
    let ham: Vec<PathBuf> = files_below(&corpus).into_iter().filter(|path| path.to_string_lossy().contains("ham")).collect();
    assert!(ham.len() > 1000);
    let flagged: Vec<&PathBuf> = ham.iter().filter(|path| seen(&std::fs::read(path).unwrap(), b"\0").1).collect();
    println!("{} of {} flagged", flagged.len(), ham.len());
    assert!(flagged.len() * 1000 <= ham.len(), "{flagged:?}");
}
