//! The issuer of the real binary, spoken to over HTTP as browsers, clients and applications speak to it.

mod account;
mod authorize;
mod device;
mod proofs;
mod published_clients;
mod registration;
mod standards;
#[path = "../server/support.rs"]
#[expect(dead_code, reason = "the other tests of the binary use the rest of it")]
mod support;
mod tokens;
mod world;
