//! What the door has seen since it opened; a line of it goes to the log each minute.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident,)+) => {
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[doc = $doc])* pub $name: AtomicU64,)+ }

        impl fmt::Display for Counters {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut space = "";
                $(
                    write!(f, "{space}{}={}", stringify!($name), self.$name.load(Ordering::Relaxed))?;
                    space = " ";
                )+
                let _ = space;
                Ok(())
            }
        }
    };
}

counters! {
    connections,
    /// Open at this moment.
    open,
    messages,
    /// Octets of messages judged.
    octets,
    accepted,
    /// Accepted and marked as spam.
    marked,
    quarantined,
    discarded,
    tempfailed,
    rejected,
    /// Recipients and senders refused before the message.
    refused_early,
    /// Given up by the mail server before their end.
    aborted,
    /// Beyond a limit of `[milter]`.
    over_limit,
    /// Messages of a judge that panicked.
    panics,
    /// Messages without a verdict in time.
    late,
    /// Connections closed for what they sent.
    protocol_errors,
    /// Connections closed since they were idle or half a packet did not go on.
    timeouts,
    /// Idle connections closed to make room.
    evicted,
}

pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
