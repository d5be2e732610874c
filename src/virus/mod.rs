//! The antivirus daemon's socket.
