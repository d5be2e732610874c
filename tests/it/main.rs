//! All integration tests in one binary.
mod arc;
mod dkim;
mod dmarc;
mod dns;
mod evals;
mod floors;
mod forgery;
mod hostile;
mod language;
mod mailserver;
mod milter;
mod postfix;
mod site;
mod spf;
mod suites;
mod view_speed;
mod views;
