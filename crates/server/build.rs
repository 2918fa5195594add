//! Hands the SDK's script-tag file to the server's build, or an empty one where the package is not built yet.

use std::{env, fs, path::PathBuf};

fn main() {
    // The folder is always there, so that its absence never makes every build a new one.
    println!("cargo:rerun-if-changed=sdk");
    let script = fs::read("sdk/handfast.js").unwrap_or_default();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names the folder for what a build makes"));
    fs::write(out.join("handfast.js"), script).expect("cargo's folder can be written to");
}
