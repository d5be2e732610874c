//! Every view of any message ends, in bounded pieces.
#![no_main]

use hamgate::base::limits;
use hamgate::mail::{Arrival, HeaderQuery, Mail, Reading, ViewOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mail = Mail::parse(data.to_vec());
    let (arrival, options) = (Arrival::FromFields, ViewOptions::default());
    let reading = Reading::new(&mail, &arrival, &options);
    assert!(mail.parts().len() <= limits::MIME_PARTS + 1);
    assert!(reading.body().iter().skip(1).all(|paragraph| paragraph.len() <= 2049));
    assert!(reading.rawbody().iter().all(|chunk| chunk.len() <= 4097));
    assert!(reading.links().len() <= limits::LINKS + 1);
    let _ = (reading.visible(), reading.invisible(), reading.full(), reading.uris(), reading.relays(), reading.html());
    for name in ["From:addr", "From:name", "Subject", "ALL", "ToCc", "MESSAGEID", "EnvelopeFrom", "X-Spam-Relays-External", "Received:ip"] {
        if let Ok(query) = HeaderQuery::parse(name) {
            let _ = reading.header(&query);
        }
    }
});
