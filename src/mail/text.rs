//! Rendered and raw text assembled for `body` and `rawbody` rules: paragraphs, chunks, scan sizes.
