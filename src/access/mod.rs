//! Postfix access tables; welcome and block lists.
