//! Connect your users' accounts at other services with one line in the browser.
//!
//! This crate is the browser half of Handfast. JavaScript applications load it from npm or with a script tag; Rust front
//! ends use [`Handfast`] directly. The feature `npm` adds the exports that the npm package wraps and the small
//! allocator it is built with; Rust front ends leave it off.

mod attempt_status;
mod callback_listener;
mod connect;
mod connect_error;
mod handfast;
mod host;
mod js;
#[cfg(feature = "npm")]
#[expect(unreachable_pub, reason = "wasm-bindgen exports only what is `pub`; Rust has no use for it")]
mod npm;
mod options;
mod popup;
mod random;
mod redirect;
mod start_form;

pub use connect_error::ConnectError;
pub use handfast::{Connected, Connecting, Handfast};
pub use handfast_protocol::ErrorCode;
pub use options::ConnectOptions;

#[cfg(all(feature = "npm", target_arch = "wasm32"))]
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();
