//! ARC against the suite of the working group.

use super::suites;
use hamgate::auth::{arc, letter::Letter};
use hamgate::dns::{Resolver, Settings, ZoneServer};

#[tokio::test]
#[ignore = "needs HAMGATE_SUITES"]
async fn all_chains_of_the_validation_suite_are_judged_as_it_says() {
    let (mut count, mut wrong) = (0, Vec::new());
    for (cases, zone) in suites::arc_documents("arc-draft-validation-tests.yml") {
        let server = ZoneServer::start(zone).await.unwrap();
        let resolver = Resolver::new(&Settings { name_servers: vec![server.address.to_string()], ..Settings::default() }).unwrap();
        for case in cases {
            // A case without an expected result says nothing.
            let expected = case.fields["cv"].trim().to_lowercase();
            if expected.is_empty() {
                continue;
            }
            count += 1;
            let judged = arc::verify(&resolver.session(), &Letter::parse(case.fields["message"].as_bytes()), 1_500_000_000).await;
            if arc::word(judged.result) != expected {
                wrong.push(format!("{}: {:?} {}, expected {expected}", case.name, judged.result, judged.reason));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 171, "{count}");
}
