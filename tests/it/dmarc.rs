//! DMARC by table: author domain, what was authenticated, what is published; result and what is asked for. Paragraphs are
//! those of RFC 9989 unless another is named.

use hamgate::auth::dmarc::{evaluate, policy_word, walked_names, word};
use hamgate::base::units::Span;
use hamgate::dns::{Resolver, Settings, Zone, ZoneServer};
use hamgate::facts::{DkimResult, DkimSignature, Spf, SpfResult};
use std::time::Duration;

/// What is published. Addresses make names exist.
const ZONE: &str = r#"{
  "_dmarc.none.example": ["TXT v=DMARC1; p=none; rua=mailto:r@none.example"],
  "_dmarc.q.example": ["TXT v=DMARC1; p=quarantine"],
  "_dmarc.r.example": ["TXT v=DMARC1; p=reject"],
  "sub.r.example": ["A 192.0.2.1"],
  "_dmarc.strict.example": ["TXT v=DMARC1; p=reject; adkim=s; aspf=s"],
  "sub.strict.example": ["A 192.0.2.1"],
  "_dmarc.dstrict.example": ["TXT v=DMARC1;p=reject;adkim=s"],
  "_dmarc.sstrict.example": ["TXT v=DMARC1;p=reject;aspf=s"],
  "_dmarc.sp.example": ["TXT v=DMARC1; p=reject; sp=none"],
  "sub.sp.example": ["A 192.0.2.1"],
  "_dmarc.np.example": ["TXT v=DMARC1; p=none; sp=quarantine; np=reject"],
  "sub.np.example": ["A 192.0.2.1"],
  "_dmarc.nponly.example": ["TXT v=DMARC1; p=quarantine; np=reject"],
  "sub.nponly.example": ["MX 10 mx.nponly.example"],
  "_dmarc.t.example": ["TXT v=DMARC1; p=reject; sp=quarantine; t=y"],
  "sub.t.example": ["A 192.0.2.1"],
  "_dmarc.tq.example": ["TXT v=DMARC1; p=quarantine; t=y"],
  "_dmarc.tn.example": ["TXT v=DMARC1; p=reject; t=n"],
  "_dmarc.two.example": ["TXT v=DMARC1; p=reject", "TXT v=DMARC1; p=none"],
  "_dmarc.other.example": ["TXT v=spf1 -all", "TXT v=DMARC1; p=reject"],
  "_dmarc.old.example": ["TXT v=DMARC1; p=reject; pct=0; rf=afrf; ri=86400; fo=1"],
  "_dmarc.unknown.example": ["TXT v=DMARC1; p=reject; x-new=1; adkim=perhaps; ;; odd"],
  "_dmarc.upper.example": ["TXT v=DMARC1; P=Reject; ADKIM=S"],
  "_dmarc.spaces.example": ["TXT v = DMARC1 ; p = reject ; adkim = s"],
  "_dmarc.nop.example": ["TXT v=DMARC1; rua=mailto:r@nop.example"],
  "_dmarc.nopnorua.example": ["TXT v=DMARC1; adkim=s"],
  "_dmarc.badp.example": ["TXT v=DMARC1; p=destroy; rua=mailto:r@badp.example"],
  "_dmarc.late.example": ["TXT p=reject; v=DMARC1"],
  "_dmarc.lower.example": ["TXT v=dmarc1; p=reject"],
  "_dmarc.split.example": [["TXT", ["v=DMARC1; p=re", "ject"]]],
  "_dmarc.silent.example": ["TIMEOUT"],
  "_dmarc.broken.example": ["SERVFAIL"],
  "_dmarc.alias.example": ["CNAME _dmarc.r.example"],
  "_dmarc.a.b.c.d.e.f.g.h.i.j.deep.example": ["TXT v=DMARC1; p=quarantine"],
  "_dmarc.deep.example": ["TXT v=DMARC1; p=reject"],
  "_dmarc.unseen.x.y.z.far.example": ["TXT v=DMARC1; p=none"],
  "_dmarc.bank": ["TXT v=DMARC1; p=reject; psd=y"],
  "_dmarc.mega.bank": ["TXT v=DMARC1; p=none"],
  "www.giant.bank": ["A 192.0.2.1"],
  "_dmarc.city": ["TXT v=DMARC1; p=none; np=reject; psd=y"],
  "old.city": ["A 192.0.2.1"],
  "_dmarc.org.cut.example": ["TXT v=DMARC1; p=reject; psd=n"],
  "_dmarc.cut.example": ["TXT v=DMARC1; p=none"],
  "sub.org.cut.example": ["A 192.0.2.1"],
  "_dmarc.mid.layers.example": ["TXT v=DMARC1; p=quarantine"],
  "_dmarc.layers.example": ["TXT v=DMARC1; p=reject"],
  "low.mid.layers.example": ["A 192.0.2.1"],
  "_dmarc.xn--bcher-kva.example": ["TXT v=DMARC1; p=reject"]
}"#;

/// SPF's domain and result.
type SpfIs = (&'static str, SpfResult);
/// Signing domain and result.
type DkimIs = (&'static str, DkimResult);

/// Author, SPF, signatures, expected result, policy, and the paragraph.
type Case = (&'static str, SpfIs, &'static [DkimIs], &'static str, &'static str, &'static str);

const NO: SpfIs = ("", SpfResult::None);
const P: SpfResult = SpfResult::Pass;
const D: DkimResult = DkimResult::Pass;

const CASES: &[Case] = &[
    // No record, and what counts as none.
    ("nothing.example", ("nothing.example", P), &[("nothing.example", D)], "none", "none", "§5.3.2 step 2: no record ends it"),
    ("two.example", NO, &[], "none", "none", "§4.10 step 2: several records are discarded"),
    ("late.example", NO, &[], "none", "none", "§4.7: v comes first"),
    ("lower.example", NO, &[], "none", "none", "§4.7: DMARC1 matches precisely"),
    ("nopnorua.example", NO, &[], "none", "none", "§4.10.1: no p and no rua"),
    // Policies of failing mail.
    ("none.example", NO, &[], "fail", "none", "§4.7 p=none"),
    ("q.example", NO, &[], "fail", "quarantine", "§4.7 p=quarantine"),
    ("r.example", NO, &[], "fail", "reject", "§4.7 p=reject"),
    ("other.example", NO, &[], "fail", "reject", "§4.10: records that are no DMARC records are discarded"),
    ("old.example", NO, &[], "fail", "reject", "appendix C: pct, rf and ri are gone"),
    ("unknown.example", NO, &[], "fail", "reject", "§4.7: unknown tags are ignored, bad values give way to defaults"),
    ("upper.example", ("x.upper.example", P), &[("x.upper.example", DkimResult::Fail)], "pass", "reject", "§4.8: tag names in any case"),
    ("spaces.example", NO, &[("spaces.example", D)], "pass", "reject", "§4.8: white space around the equals sign"),
    ("nop.example", NO, &[], "fail", "none", "§4.7: without p as p=none"),
    ("badp.example", NO, &[], "fail", "none", "§4.10.1: an unknown p with rua is p=none"),
    ("split.example", NO, &[], "fail", "reject", "§4.5: strings of a record are joined"),
    ("alias.example", NO, &[], "fail", "reject", "RFC 1034 §3.6.2: an alias leads to the record"),
    ("xn--bcher-kva.example", NO, &[("xn--bcher-kva.example", D)], "pass", "reject", "§5.3.1: A-labels"),
    // SPF alone.
    ("r.example", ("r.example", P), &[], "pass", "reject", "§4.4.2: same domain"),
    ("r.example", ("sub.r.example", P), &[], "pass", "reject", "§4.4.2: relaxed, a subdomain"),
    ("r.example", ("deep.sub.r.example", P), &[], "pass", "reject", "§4.4.2: relaxed, any depth"),
    ("sub.r.example", ("r.example", P), &[], "pass", "reject", "§4.4.2: relaxed, the parent"),
    ("sub.r.example", ("sib.r.example", P), &[], "pass", "reject", "§4.4.2: relaxed, a sibling"),
    ("r.example", ("q.example", P), &[], "fail", "reject", "§4.4.2: another organization"),
    ("r.example", ("badr.example", P), &[], "fail", "reject", "§4.4: labels, not letters"),
    ("r.example", ("r.example.evil.test", P), &[], "fail", "reject", "§4.4: from the right"),
    ("r.example", ("example", P), &[], "fail", "reject", "§4.4: a top-level domain is no organization of ours"),
    ("r.example", ("r.example", SpfResult::SoftFail), &[], "fail", "reject", "§5.3.6: only a pass counts"),
    ("r.example", ("r.example", SpfResult::Neutral), &[], "fail", "reject", "§5.3.6: only a pass counts"),
    ("r.example", ("r.example", SpfResult::PermError), &[], "fail", "reject", "§5.3.6: permanent errors fail"),
    ("r.example", ("r.example", SpfResult::TempError), &[], "temperror", "reject", "§5.3.6: temporary errors cannot be applied"),
    ("r.example", ("q.example", SpfResult::TempError), &[], "fail", "reject", "§5.3.6: an error of something unaligned"),
    ("strict.example", ("sub.strict.example", P), &[], "fail", "reject", "§4.4.2: strict"),
    ("strict.example", ("strict.example", P), &[], "pass", "reject", "§4.4.2: strict, the same"),
    ("sstrict.example", ("sub.sstrict.example", P), &[("sub.sstrict.example", D)], "pass", "reject", "§4.7: aspf is not adkim"),
    // DKIM alone.
    ("r.example", NO, &[("r.example", D)], "pass", "reject", "§4.4.1: same domain"),
    ("r.example", NO, &[("sub.r.example", D)], "pass", "reject", "§4.4.1: relaxed"),
    ("r.example", NO, &[("q.example", D)], "fail", "reject", "§4.4.1: another organization"),
    ("r.example", NO, &[("q.example", D), ("r.example", D)], "pass", "reject", "§4.4.1: any of several"),
    ("r.example", NO, &[("r.example", DkimResult::Fail), ("q.example", D)], "fail", "reject", "§4.4.1: result and domain belong together"),
    ("r.example", NO, &[("r.example", DkimResult::Policy)], "fail", "reject", "§5.3.6: only a pass counts"),
    ("r.example", NO, &[("r.example", DkimResult::PermError)], "fail", "reject", "§5.3.6: permanent errors fail"),
    ("r.example", NO, &[("r.example", DkimResult::TempError)], "temperror", "reject", "§5.3.6: temporary errors"),
    ("r.example", ("r.example", P), &[("r.example", DkimResult::TempError)], "pass", "reject", "§5.3.6: one pass is enough"),
    ("strict.example", NO, &[("sub.strict.example", D)], "fail", "reject", "§4.4.1: strict"),
    ("dstrict.example", ("sub.dstrict.example", P), &[("sub.dstrict.example", D)], "pass", "reject", "§4.7: adkim is not aspf"),
    ("dstrict.example", NO, &[("sub.dstrict.example", D)], "fail", "reject", "§4.7: adkim=s"),
    // Subdomains: sp and np.
    ("sub.r.example", NO, &[], "fail", "reject", "§4.7: without sp, p"),
    ("sub.sp.example", NO, &[], "fail", "none", "§4.7: sp for an existing subdomain"),
    ("sp.example", NO, &[], "fail", "reject", "§4.7: sp is not for the domain itself"),
    ("gone.sp.example", NO, &[], "fail", "none", "§4.7: without np, sp"),
    ("sub.np.example", NO, &[], "fail", "quarantine", "§4.7: sp where the name exists"),
    ("gone.np.example", NO, &[], "fail", "reject", "§4.7: np where it does not"),
    ("sub.nponly.example", NO, &[], "fail", "quarantine", "§4.7: np is not for existing names, p is"),
    ("gone.nponly.example", NO, &[], "fail", "reject", "§4.7: np"),
    ("gone.np.example", ("np.example", P), &[], "pass", "reject", "§4.4.2: alignment asks for no existence"),
    // Testing.
    ("t.example", NO, &[], "fail", "quarantine", "§4.7: t=y, one level milder than reject"),
    ("sub.t.example", NO, &[], "fail", "none", "§4.7: t=y, one level milder than quarantine"),
    ("tq.example", NO, &[], "fail", "none", "§4.7: t=y"),
    ("tn.example", NO, &[], "fail", "reject", "§4.7: t=n is the default"),
    // The tree.
    ("low.mid.layers.example", NO, &[], "fail", "reject", "§4.10.2: the record with the fewest labels is the organization's"),
    ("mid.layers.example", NO, &[], "fail", "quarantine", "§4.10.1: the author domain's own record first"),
    ("mid.layers.example", ("layers.example", P), &[], "pass", "quarantine", "§4.10.2: same organization"),
    ("a.b.c.d.e.f.g.h.i.j.deep.example", NO, &[], "fail", "quarantine", "§4.10: the name itself is asked at any depth"),
    ("x.b.c.d.e.f.g.h.i.j.deep.example", NO, &[], "fail", "reject", "§4.10: then the last seven labels and up"),
    ("q.unseen.x.y.z.far.example", NO, &[], "fail", "none", "§4.10: parents are asked one by one"),
    ("sub.org.cut.example", ("other.cut.example", P), &[], "fail", "reject", "§4.10.2: psd=n cuts the organization off"),
    ("sub.org.cut.example", ("x.org.cut.example", P), &[], "pass", "reject", "§4.10.2: within psd=n"),
    ("cut.example", ("x.org.cut.example", P), &[], "fail", "none", "§4.10.2: an organization of its own is not the parent's"),
    ("www.giant.bank", NO, &[], "fail", "reject", "§4.10.1: the public suffix's record where nothing else is"),
    ("www.giant.bank", ("giant.bank", P), &[], "pass", "reject", "§4.10.2: psd=y, the organization is one label below"),
    ("www.giant.bank", ("tiny.bank", P), &[], "fail", "reject", "§4.10.2: others of the suffix are strangers"),
    ("mega.bank", NO, &[], "fail", "none", "§4.10.1: a record of its own comes first"),
    ("new.city", NO, &[], "fail", "reject", "§4.7: np of a public suffix"),
    ("old.city", NO, &[], "fail", "none", "§4.7: p of a public suffix"),
    ("bank", ("bank", P), &[], "pass", "reject", "§5.3.1: public suffixes are not exempt"),
    // Silence.
    ("silent.example", ("silent.example", P), &[], "temperror", "none", "§5.3.6: no policy can be applied unheard"),
    ("broken.example", NO, &[], "temperror", "none", "§5.3.6"),
];

fn signature((domain, result): DkimIs) -> DkimSignature {
    DkimSignature {
        domain: domain.to_owned(),
        identity: domain.to_owned(),
        selector: "s".to_owned(),
        algorithm: "rsa-sha256".to_owned(),
        key_bits: Some(2048),
        partial_body: false,
        result,
        reason: String::new(),
        head: String::new(),
    }
}

#[tokio::test]
async fn the_table_holds() {
    let server = ZoneServer::start(Zone::parse(ZONE).unwrap()).await.unwrap();
    let settings = Settings {
        name_servers: vec![server.address.to_string()],
        timeout: Span(Duration::from_millis(200)),
        retries: 0,
        ..Settings::default()
    };
    let resolver = Resolver::new(&settings).unwrap();
    let mut wrong = Vec::new();
    for (author, spf, dkim, result, policy, paragraph) in CASES {
        let spf = Spf { domain: spf.0.to_owned(), result: spf.1, reason: String::new() };
        let dkim: Vec<DkimSignature> = dkim.iter().copied().map(signature).collect();
        let found = evaluate(&resolver.session(), Ok(author), &spf, &dkim).await;
        if (word(found.result), policy_word(found.policy)) != (*result, *policy) {
            wrong.push(format!("{author} ({paragraph}): {found:?}, expected {result} {policy}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[test]
fn the_walk_asks_at_most_eight_names() {
    let deep = (0..60).map(|n| n.to_string()).collect::<Vec<_>>().join(".");
    assert_eq!(walked_names(&deep).len(), 8);
    assert_eq!(
        walked_names("a.b.c.d.e.f.g.h"),
        ["a.b.c.d.e.f.g.h", "b.c.d.e.f.g.h", "c.d.e.f.g.h", "d.e.f.g.h", "e.f.g.h", "f.g.h", "g.h", "h"]
    );
    assert_eq!(walked_names("example.org"), ["example.org", "org"]);
}
