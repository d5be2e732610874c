//! The negotiation: what is asked for, of what was offered.

use super::macros;
use indymilter::message::PROTOCOL_VERSION;
use indymilter::message::command::OptNegPayload;
use indymilter::message::reply::Reply;
use indymilter::{Actions, ProtoOpts};

/// What both sides may do from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    pub version: u32,
    pub actions: Actions,
    pub options: ProtoOpts,
}

/// libmilter speaks 2 at least.
const OLDEST: u32 = 2;

/// What edits and verdicts need.
fn actions_wanted() -> Actions {
    Actions::ADD_HEADER | Actions::CHANGE_HEADER | Actions::QUARANTINE
}

/// Leading space, since a DKIM verifier must see what was sent; and silence where nothing is ever answered, so that the mail
/// server does not wait; and recipients
/// that the mail server refuses itself, since many of them tell of a harvest.
fn options_wanted() -> ProtoOpts {
    ProtoOpts::LEADING_SPACE
        | ProtoOpts::NOREPLY_DATA
        | ProtoOpts::NOREPLY_HEADER
        | ProtoOpts::NOREPLY_EOH
        | ProtoOpts::NOREPLY_BODY
        | ProtoOpts::NOREPLY_UNKNOWN
        | ProtoOpts::REJECTED_RCPT
}

/// `None`: a version older than any mail server of this century speaks.
pub fn negotiate(offer: &OptNegPayload) -> Option<(Agreement, Reply)> {
    if offer.version < OLDEST {
        return None;
    }
    let agreement = Agreement {
        version: offer.version.min(PROTOCOL_VERSION),
        actions: offer.actions & actions_wanted(),
        options: offer.opts & options_wanted(),
    };
    let ask = offer.actions.contains(Actions::REQUEST_MACROS);
    let reply = Reply::OptNeg {
        version: agreement.version,
        actions: if ask { agreement.actions | Actions::REQUEST_MACROS } else { agreement.actions },
        opts: agreement.options,
        macros: if ask { macros::wanted().collect() } else { Default::default() },
    };
    Some((agreement, reply))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_for_that_was_not_offered() {
        let offer = OptNegPayload { version: 2, actions: Actions::ADD_HEADER | Actions::REPLACE_BODY, opts: ProtoOpts::NO_BODY };
        let (agreement, reply) = negotiate(&offer).unwrap();
        assert_eq!(agreement, Agreement { version: 2, actions: Actions::ADD_HEADER, options: ProtoOpts::empty() });
        let Reply::OptNeg { actions, macros, .. } = reply else { panic!("{reply:?}") };
        assert_eq!(actions, Actions::ADD_HEADER);
        assert!(macros.is_empty());
    }

    #[test]
    fn a_newer_server_is_answered_in_version_six() {
        let offer = OptNegPayload { version: 9, actions: Actions::all(), opts: ProtoOpts::all() };
        let (agreement, reply) = negotiate(&offer).unwrap();
        assert_eq!(agreement.version, 6);
        assert!(agreement.options.contains(ProtoOpts::LEADING_SPACE));
        assert!(!agreement.options.contains(ProtoOpts::NOREPLY_CONNECT));
        let Reply::OptNeg { macros, .. } = reply else { panic!("{reply:?}") };
        assert_eq!(macros.len(), 7);
        assert!(negotiate(&OptNegPayload { version: 1, ..offer }).is_none());
    }
}
