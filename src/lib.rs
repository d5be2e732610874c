//! Hamgate: a milter content filter. This file is the map of the house.
//!
//! Three vocabularies are shared by every room and nothing else is:
//!
//! | room      | question                   | examples                                              |
//! |-----------|----------------------------|-------------------------------------------------------|
//! | `mail`    | what came in?              | `Client`, `Envelope`, `Mail`, `Reading`               |
//! | `facts`   | what did we find out?      | `Question`, `Answer`, SPF, DKIM, lists, Bayes         |
//! | `outcome` | what do we say about it?   | `Hit`, `Findings`, `Verdict`, header edits, replies   |
//!
//! Every other room is a step between these, or a door to the world. A room sees lower floors only
//! and never a neighbour; `tests/it/floors.rs` reads this table's twin and keeps it true.
//!
//! ```text
//! 9  cli                            one file a subcommand
//! 8  service                        configuration put together, build, reload, signals
//! 7  milter                         doors; they know the judge and no check
//! 6  scan                           the loop: mail, reading, rules and questions, verdict, edits
//! 5  auth lists pace bayes virus learn │ rules access policy    left: facts that cost; right: pure
//! 4  dns store
//! 3  facts outcome
//! 2  mail
//! 1  unpack pattern                 bytes of containers; Perl's patterns over octets
//! 0  base                           clock, sizes, networks, limits, errors with a place
//! ```
#![forbid(unsafe_code)]

pub mod access;
pub mod auth;
pub mod base;
pub mod bayes;
pub mod cli;
pub mod dns;
pub mod facts;
pub mod learn;
pub mod lists;
pub mod mail;
pub mod milter;
pub mod outcome;
pub mod pace;
pub mod pattern;
pub mod policy;
pub mod rules;
pub mod scan;
pub mod service;
pub mod store;
pub mod unpack;
pub mod virus;

/// A verdict asks for many small pieces of memory and gives them back at once; this allocator takes an eighth off its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
