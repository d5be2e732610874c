//! Octets of a declared charset to text, by SpamAssassin's order of guesses.
