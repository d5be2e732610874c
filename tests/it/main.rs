//! All integration tests in one binary.
mod floors;
mod spf;
mod suites;
