//! Findings and recipients to verdict.
