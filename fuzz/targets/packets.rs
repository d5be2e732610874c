//! Octets of a milter connection, cut anywhere, are the same packets, or the same refusal.
#![no_main]

use hamgate::milter::packets::{Splitter, read};
use libfuzzer_sys::fuzz_target;

fn all(data: &[u8], step: usize) -> (Vec<String>, bool) {
    let (mut packets, mut seen) = (Splitter::default(), Vec::new());
    for piece in data.chunks(step) {
        packets.room().extend_from_slice(piece);
        loop {
            match packets.take() {
                Ok(Some(message)) => seen.push(format!("{:?}", read(message).is_ok())),
                Ok(None) => break,
                Err(_) => return (seen, true),
            }
        }
    }
    (seen, false)
}

fuzz_target!(|data: &[u8]| {
    assert_eq!(all(data, data.len().max(1)), all(data, 7));
});
