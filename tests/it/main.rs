//! All integration tests in one binary.
mod arc;
mod floors;
mod spf;
mod suites;
