//! `cargo xtask size`: what a visitor downloads, beside the same measure for others, so that anyone can make the table again.

use std::{fs, path::Path, process::Command};

use crate::{program, repository, target_folder, tools};
use anyhow::ensure;

/// What each file of the package may weigh at most, in bytes of gzip -9.
pub const BUDGETS: [(&str, u64); 3] =
    [("handfast.js", 12_000), ("handfast.global.js", 14_000), ("react.js", 700)];

/// Others' smallest useful programs: what npm installs, and the program that esbuild bundles.
const PEERS: [(&str, &str); 10] = [
    (
        "@nangohq/pizzly-frontend@0.5.2",
        "import P from '@nangohq/pizzly-frontend'; b.onclick = () => new P(h).auth('k', 'c')",
    ),
    (
        "@nangohq/frontend@0.71.10",
        "import N from '@nangohq/frontend'; b.onclick = () => new N({ connectSessionToken: t }).auth('k')",
    ),
    (
        "hellojs@1.21.4",
        "import hello from 'hellojs/src/hello.js'; hello.init({ k: 'i' }); b.onclick = () => hello('k').login()",
    ),
    (
        "oauth4webapi@3.8.8",
        "import * as o from 'oauth4webapi'; b.onclick = async () => { const as = await o.processDiscoveryResponse(new URL(h), await o.discoveryRequest(new URL(h))); const v = o.generateRandomCodeVerifier(); await o.calculatePKCECodeChallenge(v); const p = o.validateAuthResponse(as, { client_id: 'c' }, new URL(location), 's'); await o.processAuthorizationCodeResponse(as, { client_id: 'c' }, await o.authorizationCodeGrantRequest(as, { client_id: 'c' }, o.None(), p, 'r', v)) }",
    ),
    (
        "oidc-client-ts@3.5.0",
        "import { UserManager } from 'oidc-client-ts'; b.onclick = () => new UserManager({ authority: h, client_id: 'c', redirect_uri: 'r' }).signinPopup()",
    ),
    (
        "@okta/okta-auth-js@8.0.1",
        "import { OktaAuth } from '@okta/okta-auth-js/core'; b.onclick = () => new OktaAuth({ issuer: h, clientId: 'c' }).token.getWithPopup()",
    ),
    (
        "firebase@12.19.0",
        "import { initializeApp } from 'firebase/app'; import { getAuth, GithubAuthProvider, signInWithPopup } from 'firebase/auth'; const a = getAuth(initializeApp({ apiKey: 'k' })); b.onclick = () => signInWithPopup(a, new GithubAuthProvider())",
    ),
    (
        "@useparagon/connect@2.4.0",
        "import { paragon } from '@useparagon/connect'; b.onclick = async () => { await paragon.authenticate('p', 't'); await paragon.connect('k', {}) }",
    ),
    (
        "@auth0/auth0-spa-js@2.27.0",
        "import { createAuth0Client } from '@auth0/auth0-spa-js'; b.onclick = async () => (await createAuth0Client({ domain: 'd', clientId: 'c' })).loginWithPopup()",
    ),
    (
        "@azure/msal-browser@5.29.0",
        "import { PublicClientApplication as P } from '@azure/msal-browser'; b.onclick = async () => { const p = new P({ auth: { clientId: 'c' } }); await p.initialize(); await p.loginPopup() }",
    ),
];

/// Prints sizes as gzip -9 and brotli 11.
///
/// # Errors
/// A file of the package is over its budget, or cannot be measured.
pub fn run() -> anyhow::Result<()> {
    let pkg = repository().join("pkg");
    ensure!(pkg.join("handfast.js").exists(), "pkg/ is not built; run `cargo xtask package`");
    println!("{:<34} {:>9} {:>9} {:>9}", "handfast", "gzip -9", "brotli", "budget");
    let mut over = Vec::new();
    for (file, budget) in BUDGETS {
        let (gzip, brotli) = measure(&pkg.join(file))?;
        println!("{file:<34} {gzip:>9} {brotli:>9} {budget:>9}");
        if gzip > budget {
            over.push(file);
        }
    }
    for file in ["slim.js", "handfast.wasm", "element.js"] {
        let (gzip, brotli) = measure(&pkg.join(file))?;
        println!("{file:<34} {gzip:>9} {brotli:>9}");
    }
    println!("others, bundled and minified");
    for (package, program) in PEERS {
        match peer(package, program) {
            Ok((gzip, brotli)) => println!("{package:<34} {gzip:>9} {brotli:>9}"),
            Err(error) => println!("{package:<34} cannot be measured: {}", first_line(&error)),
        }
    }
    ensure!(over.is_empty(), "over budget: {}", over.join(", "));
    Ok(())
}

fn peer(package: &str, program: &str) -> anyhow::Result<(u64, u64)> {
    let npm = tools::from_npm("peer", &["esbuild@0.28.2", package])?;
    let folder = target_folder().join("size");
    fs::create_dir_all(&folder)?;
    let (source, bundle) = (npm.join("app.js"), folder.join("app.js"));
    fs::write(&source, program)?;
    program::run(
        Command::new(npm.join("node_modules/.bin/esbuild"))
            .args([
                "app.js",
                "--bundle",
                "--minify",
                "--format=esm",
                "--platform=browser",
                "--log-level=error",
            ])
            .arg(format!("--outfile={}", bundle.display()))
            .current_dir(&npm),
    )?;
    measure(&bundle)
}

/// A file's bytes as `gzip -9` and as brotli 11, which Node has. Node's own gzip trades some bytes for speed.
///
/// # Errors
/// When the file cannot be read, or there is no `gzip`.
pub fn measure(file: &Path) -> anyhow::Result<(u64, u64)> {
    const BROTLI: &str =
        "console.log(require('zlib').brotliCompressSync(require('fs').readFileSync(process.argv[1])).length)";
    const GZIP: &str = "gzip -9 < \"$1\" | wc -c";
    let brotli = program::run(Command::new("node").args(["-e", BROTLI]).arg(file))?;
    let gzip = program::run(Command::new("sh").args(["-e", "-c", GZIP, "sh"]).arg(file))?;
    let gzip: u64 = gzip.trim().parse()?;
    ensure!(gzip > 0, "gzip does not compress {}", file.display());
    Ok((gzip, brotli.trim().parse()?))
}

fn first_line(error: &anyhow::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
