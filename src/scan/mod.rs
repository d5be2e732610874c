//! The loop that every door walks: message, reading, rules and questions, verdict, edits.
