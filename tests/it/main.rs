//! All integration tests in one binary.
mod arc;
mod floors;
mod mailserver;
mod milter;
mod spf;
mod suites;
mod views;
