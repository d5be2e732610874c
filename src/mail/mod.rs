//! What came in: the message as bytes, split once, and its lazy views.
//!
//! `Mail` is the message split into fields and MIME parts by our own iterative code: SpamAssassin's view, byte-exact
//! offsets and hostile nesting ask for it. mail-parser reads dates and serves as one of the readings that attachment
//! checks compare. `Reading` is the message as SpamAssassin's rules see it.

pub mod addresses;
mod ambiguous;
pub mod ambiguous_decode;
mod ambiguous_sweep;
pub mod attachment_text;
pub mod attachments;
pub mod attachments_fields;
pub mod attachments_names;
pub mod attachments_tree;
pub mod bounce;
pub mod carried;
pub mod charset;
pub mod content_type;
pub mod decode;
pub mod defect;
pub mod domains;
pub mod envelope;
pub mod fields;
pub mod headers;
pub mod html;
pub mod ip;
pub mod links;
pub mod message;
pub mod options;
pub mod part;
pub mod reading;
pub mod received;
pub mod received_build;
pub mod text;
pub mod tree;

pub use carried::{Carried, Wanted};
pub use defect::Defect;
pub use envelope::{Arrival, Client, Envelope};
pub use fields::Field;
pub use headers::HeaderQuery;
pub use html::HtmlFacts;
pub use links::{Link, LinkKind};
pub use message::Mail;
pub use options::ViewOptions;
pub use part::{Part, PartId};
pub use reading::{PartView, Reading, Rendering};
pub use received::{Relay, Relays};
