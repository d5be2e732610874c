//! Content-Transfer-Encodings and RFC 2047 words, leniently, as SpamAssassin decodes them.
