//! Any octets are a message: what signatures cover is what came, and every field lies inside it.
#![no_main]

use hamgate::mail::Mail;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mail = Mail::parse(data.to_vec());
    assert_eq!(mail.as_sent(), data);
    let seen = mail.as_seen();
    for field in mail.fields() {
        assert!(field.name.start <= field.name.end && field.name.end <= field.value.start);
        assert!(field.value.end <= seen.len());
    }
    let received = b"Received: from a by b; Tue, 3 Mar 2026 10:00:05 +0000\r\n";
    let arriving = Mail::arriving(data, received);
    assert_eq!(arriving.as_sent(), data);
    // A first line that belongs to no field (an mbox separator, a fold) is one thing alone, another after a field.
    let begins_with_a_field = mail.fields().first().is_some_and(|field| field.name.start == 0);
    assert!(!begins_with_a_field || arriving.fields().len() >= mail.fields().len());
});
