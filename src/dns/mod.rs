//! One resolver: cache, caps and deadline a message; answers from a zone file where asked.
