//! What learns beside the commands: automatic learning within its quotas, mail sent to be learned, and whose classifier it is.

pub mod forwarded;
pub mod queue;
pub mod quota;
pub mod settings;
pub mod users;

pub use forwarded::Mailboxes;
pub use queue::Queue;
pub use quota::Quota;
pub use settings::{Auto, Settings, Then};
pub use users::Users;
