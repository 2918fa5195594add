//! Every entry of the catalogue, driven: a fake provider on loopback, made from the entry, sees each request by real HTTP.

mod by_hand;
mod every_entry;
mod harness;
mod issuer;
mod signed;
mod transcripts;
