//! SPF, DKIM, DMARC, ARC: who really sent it; DKIM signatures on what leaves.
