//! DNS lists by address, domain, link and digest; their health.
