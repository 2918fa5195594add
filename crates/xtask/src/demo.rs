//! `cargo xtask demo`: the product on this machine, ready to click.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, ErrorKind, Write},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::{Instant, SystemTime},
};

use anyhow::{Context, bail};
use xtask::{
    program::{self, Running},
    repository, target_folder, tools,
};

use crate::{site, steps::Tally};

/// Builds what is not built, starts server, issuer and example, and stays until it is interrupted.
pub(crate) fn run(options: &[&str]) -> anyhow::Result<()> {
    let Ports { server, page } = Ports::parse(options)?;
    let began_at = Instant::now();
    env::set_current_dir(repository())?;
    tools::wasm_target()?;

    let mut tally = Tally::default();
    let repair = "Mend what is named above and run this command again.";
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--workspace", "--bin", "handfast"]);
    // By cargo: building the server may have replaced the program that is running here.
    let mut package = Command::new("cargo");
    package.args(["xtask", "package"]);
    // The package first: the server's build takes the script-tag file along.
    let packaged = is_packaged() || tally.step("npm package", repair, &mut package)?.succeeded;
    let built = tally.step("server", repair, &mut cargo)?;
    if !(built.succeeded && packaged) {
        bail!("the demo cannot be built");
    }

    let (listener, page) = listen(page)?;
    site::serve(listener, vec![("/pkg/", "pkg".into()), ("/", "www-example".into())]);

    let mut serve = program::bound_to_us(target_folder().join("debug/handfast"));
    serve.args(["serve", "--demo", "--port", &server.to_string()]).stdout(Stdio::piped());
    let mut running = Running::start(&mut serve)?;
    let output = running.child().stdout.take().context("the server's output was asked for")?;
    let mut lines = BufReader::new(output).lines();
    let address = loop {
        let Some(line) = lines.next().transpose()? else {
            bail!("the server ended before it listened; what it said stands above");
        };
        println!("{line}");
        if let Some((_, address)) = line.split_once("listening on ") {
            break address.trim().to_owned();
        }
    };

    println!();
    println!("  Open   {}", page_address(&page, &address));
    println!("  then   curl '{address}/connections/user-1?config_key=demo'");
    println!();
    println!("Ready after {:.1} s. Ctrl-C stops everything.", began_at.elapsed().as_secs_f64());
    for line in lines {
        // Whoever reads the first lines only, through a pipe, still has a running demo.
        let _ = writeln!(io::stdout(), "{}", line?);
    }
    let status = running.child().wait()?;
    bail!("the server ended: {status}")
}

/// Whether the package was built after the last change to what it is built from.
fn is_packaged() -> bool {
    const SOURCES: &[&str] =
        &["src", "pkg-template", "crates/protocol", "crates/xtask/src", "Cargo.toml", "Cargo.lock"];
    let Ok(built_at) = fs::metadata("pkg/package.json").and_then(|file| file.modified()) else {
        return false;
    };
    SOURCES
        .iter()
        .all(|source| last_change(Path::new(source)).is_some_and(|changed_at| changed_at < built_at))
}

/// When a file, or the youngest file in a folder, was changed.
fn last_change(path: &Path) -> Option<SystemTime> {
    let own = fs::metadata(path).and_then(|file| file.modified()).ok()?;
    let Ok(entries) = fs::read_dir(path) else { return Some(own) };
    entries
        .map(|entry| last_change(&entry.ok()?.path()))
        .try_fold(own, |youngest, changed| Some(youngest.max(changed?)))
}

struct Ports {
    server: u16,
    page: u16,
}

impl Ports {
    fn parse(options: &[&str]) -> anyhow::Result<Self> {
        let mut ports = Self { server: 3004, page: 3005 };
        for pair in options.chunks(2) {
            let port = match pair {
                ["--port", _] => &mut ports.server,
                ["--page-port", _] => &mut ports.page,
                _ => bail!("usage: cargo xtask demo [--port N] [--page-port N]"),
            };
            *port = pair[1].parse().with_context(|| format!("{} is a number from 0 to 65535", pair[0]))?;
        }
        Ok(ports)
    }
}

/// Another site than the server's, as in real life. Not every system has all of 127.0.0.0/8: `127.0.0.1` is another
/// site than `localhost` too.
fn listen(port: u16) -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(("127.0.0.2", port))
        .or_else(|error| match error.kind() {
            ErrorKind::AddrNotAvailable => TcpListener::bind(("127.0.0.1", port)),
            _ => Err(error),
        })
        .with_context(|| format!("port {port} is taken; choose another with --page-port"))?;
    let address = format!("http://{}/", listener.local_addr()?);
    Ok((listener, address))
}

/// The page asks the server at its usual address unless it is told another.
fn page_address(page: &str, server: &str) -> String {
    if server == "http://localhost:3004" { page.to_owned() } else { format!("{page}?host={server}") }
}
