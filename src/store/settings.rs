//! The section `[store]`: where what the door remembers lies.

crate::settings! {
    /// What the door remembers: greylist, rate limits, accounts.
    pub struct Settings in "store" {
        /// "redis://HOST:PORT/0" or "redis+unix:///PATH" (Valkey or Redis) where several mail exchangers share it; empty: a file in the
        /// state folder. Where it is away, all mail flows, and the log says so.
        pub door: String = "\"\"",
    }
}
