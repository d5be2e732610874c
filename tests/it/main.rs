//! All integration tests in one binary.
#![allow(clippy::unwrap_used)]

mod access;
mod ambiguous;
mod ambiguous_shapes;
mod arc;
mod bayes_spamassassin;
mod dkim;
mod dmarc;
mod dns;
mod evals;
mod faults;
mod floors;
mod forgery;
mod greylist;
mod hostile;
mod language;
mod limits;
mod lists;
mod mailserver;
mod milter;
mod net;
mod output;
mod parity;
mod postfix;
mod postfix_auth;
mod postfix_opendkim;
mod sendmail;
mod site;
mod spf;
mod starter;
mod suites;
mod view_speed;
mod views;
mod weight;
