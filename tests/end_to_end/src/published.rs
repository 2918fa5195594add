//! Packages that others published, unmodified, from npm.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// The clients of Pizzly and its successor, each under a name that says its version where there are two.
const CLIENTS: &[&str] = &[
    "@nangohq/pizzly-frontend@0.5.2",
    "@nangohq/frontend@0.8.0",
    "@nangohq/pizzly-node@0.5.2",
    "pizzly-node-0.3.6@npm:@nangohq/pizzly-node@0.3.6",
    "pizzly@0.5.0",
    // Newer ones refuse the addresses that `pizzly` asks for.
    "axios@1.17.0",
];

/// The `node_modules` that holds them, installed first if it is not yet.
///
/// # Errors
/// When npm cannot install them.
pub fn folder() -> anyhow::Result<PathBuf> {
    // One installation at a time; who waited finds it done.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(xtask::tools::from_npm("published-clients", CLIENTS)?.join("node_modules"))
}

/// Authorization servers that no one here wrote.
const PROVIDERS: &[&str] = &["oidc-provider@9.13.3", "oauth2-mock-server@8.2.3"];

/// The folder whose `node_modules` holds them, installed first if it is not yet.
///
/// # Errors
/// When npm cannot install them.
pub fn providers_folder() -> anyhow::Result<PathBuf> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    xtask::tools::from_npm("published-providers", PROVIDERS)
}
