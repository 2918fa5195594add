//! Real server, real issuer, real browser: what a user does, end to end.
