//! What every room may use: places and complaints, sizes, durations, networks, the clock, limits on hostile input.

pub mod clock;
pub mod complaint;
pub mod limits;
pub mod mode;
pub mod networks;
pub mod settings;
pub mod units;

pub use clock::Clock;
pub use complaint::{Complaint, Place, Severity};
pub use mode::Mode;
pub use networks::NetSet;
pub use units::{ByteCount, Span};
