//! A message as bytes came, split once.

use super::{Defect, Field, Part};

/// Always a message: odd mail has defects.
#[derive(Debug)]
pub struct Mail {
    /// The Received field our own mail server has not written yet (may be empty), then the bytes as they came.
    raw: Vec<u8>,
    /// Length of that Received field.
    transport: usize,
}

impl Mail {
    pub fn parse(raw: Vec<u8>) -> Mail {
        Mail { raw, transport: 0 }
    }

    /// As `parse`, with the Received field (`Received: …` with its line end) that the mail server will write: it stands
    /// first in what rules see and is no part of what signatures cover.
    pub fn arriving(raw: &[u8], received: &[u8]) -> Mail {
        let mut all = Vec::with_capacity(received.len() + raw.len());
        all.extend_from_slice(received);
        all.extend_from_slice(raw);
        Mail { raw: all, transport: received.len() }
    }

    /// What DKIM verifies: the bytes as they came.
    pub fn as_sent(&self) -> &[u8] {
        &self.raw[self.transport..]
    }

    /// What rules see.
    pub fn as_seen(&self) -> &[u8] {
        &self.raw
    }

    /// Fields of the top section, with offsets into `as_seen`.
    pub fn fields(&self) -> &[Field] {
        todo!()
    }

    /// The body as it came, after the empty line.
    pub fn body(&self) -> &[u8] {
        todo!()
    }

    /// The MIME tree in depth-first order; element 0 is the message itself.
    pub fn parts(&self) -> &[Part] {
        todo!()
    }

    pub fn defects(&self) -> &[Defect] {
        todo!()
    }
}
