//! AntiVirus: attachments that are programs by name or first octets, and names that do not fit their type.

use super::perl::{contains, pattern};
use super::{Accepts, Context, Row, local};
use crate::mail::content_type::ContentType;

pub(super) static ROWS: &[Row] = &[
    local("check_microsoft_executable", "AntiVirus", Accepts::Body, |c, _| attachments(c).program.into()),
    local("check_suspect_name", "AntiVirus", Accepts::Body, |c, _| attachments(c).odd_name.into()),
];

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attachments {
    program: bool,
    odd_name: bool,
}

fn attachments(context: &Context<'_, '_>) -> Attachments {
    *context.memo.attachments.get_or_init(|| {
        let mut found = Attachments::default();
        for part in context.reading.mail.parts().iter().filter(|part| part.is_leaf() && !part.content_type.is_empty()) {
            // The name of Content-Type alone counts.
            let declared = ContentType::parse(part.value("content-type").as_deref());
            let name = declared.name.unwrap_or_default().to_ascii_lowercase();
            let kind = declared.kind.to_ascii_lowercase();
            let encoded = || part.encoding.contains("base64") && pattern!(r"^TV[opqr].A..[AB].[AQgw][A-H].A").is_match(part.raw());
            let uuencoded = || {
                kind.starts_with("text") && contains(part.raw(), b"M35") && pattern!(r"(?m)^M35[GHIJK].`..`..*````").is_match(part.raw())
            };
            found.program |= is_program_name(&name) || encoded() || uuencoded();
            found.odd_name |= !name.is_empty() && kind != "application/octet-stream" && !fits(&name, &kind);
        }
        found
    })
}

fn is_program_name(name: &str) -> bool {
    pattern!(
        r"\.(?:ade|adp|asx|bas|bat|chm|cmd|com|cpl|crt|dll|exe|hlp|hta|inf|ins|isp|js|jse|lnk|mda|mdb|mde|mdt|mdw|mdz|msc|msi|msp|mst|nws|ops|pcd|pif|prf|reg|scf|scr\??|sct|shb|shs|shm|swf|url|vb|vbe|vbs|vbx|vxd|wsc|wsf|wsh)\n?$"
    )
    .is_match(name.as_bytes())
}

/// Whether the ending of a name goes with a media type.
fn fits(name: &str, kind: &str) -> bool {
    let ending = name.rsplit_once('.').map_or(name, |(_, ending)| ending);
    let kind = kind.replacen("/x-", "/", 1).replacen("/vnd.", "/", 1);
    let of_kind = |pattern: &regex::bytes::Regex| pattern.is_match(kind.as_bytes());
    match ending {
        "txt" | "html" | "htm" | "phtml" | "phtm" | "xhtml" | "xhtm" | "xml" => {
            of_kind(pattern!(r"^(?:text/(?:plain|[px]?html?|english|sgml|xml|enriched|richtext)|message/external-body)"))
        }
        "jpg" | "jpeg" | "tif" | "tiff" | "gif" | "png" => of_kind(pattern!(r"^(?:image/|application/mac-binhex)")),
        "vcf" => kind == "text/vcard",
        "bat" | "com" | "exe" | "pif" | "scr" | "swf" | "vbs" => kind.starts_with("application/"),
        "doc" => of_kind(pattern!(r"^application/.*word$")),
        "ppt" => of_kind(pattern!(r"^application/.*(?:powerpoint|ppt)$")),
        "xls" => of_kind(pattern!(r"^application/.*excel$")),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_must_go_with_its_type() {
        for (name, kind, fitting) in [
            ("a.jpg", "image/jpeg", true),
            ("a.jpg", "text/plain", false),
            ("a.doc", "application/msword", true),
            ("a.doc", "application/pdf", false),
            ("a.xls", "application/vnd.ms-excel", true),
            ("a.bin", "text/plain", true),
        ] {
            assert_eq!(fits(name, kind), fitting, "{name} {kind}");
        }
    }
}
