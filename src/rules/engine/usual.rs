//! Texts like those that rules of each type are tried on: what is common in them is a poor sign that a pattern may match.

use crate::mail::HeaderQuery;
use crate::pattern::Usual;
use std::sync::LazyLock;

pub static BODY: LazyLock<Usual> = LazyLock::new(|| Usual::new(include_bytes!("usual/body.txt")));
pub static RAW_BODY: LazyLock<Usual> =
    LazyLock::new(|| Usual::new(&[&include_bytes!("usual/html.txt")[..], include_bytes!("usual/body.txt")].concat()));
pub static URI: LazyLock<Usual> = LazyLock::new(|| Usual::new(include_bytes!("usual/uri.txt")));
pub static FULL: LazyLock<Usual> = LazyLock::new(|| {
    let parts: [&[u8]; 3] = [include_bytes!("usual/header.txt"), include_bytes!("usual/html.txt"), include_bytes!("usual/body.txt")];
    Usual::new(&parts.concat())
});
static HEADER: LazyLock<Usual> = LazyLock::new(|| Usual::new(include_bytes!("usual/header.txt")));
static RELAYS: LazyLock<Usual> = LazyLock::new(|| Usual::new(include_bytes!("usual/relays.txt")));

pub fn of_header(query: &HeaderQuery) -> &'static Usual {
    if query.name.starts_with("X-Spam-Relays-") { &RELAYS } else { &HEADER }
}
