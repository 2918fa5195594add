//! What a user does, end to end: three sites, real clicks, no mock on the path.

mod attacks;
mod connect;
mod cut_opener;
mod defects;
mod endings;
mod hostile_text;
mod origins;
mod pizzly_frontend;
mod restart;
mod secrets;
mod tokens;
