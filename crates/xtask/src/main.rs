//! What a maintainer types: `cargo xtask test`, `cargo xtask demo`.

mod bench;
mod demo;
mod package;
mod providers;
mod site;
mod steps;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  bench                             how fast and how small the release build is
  demo [--port N] [--page-port N]   server, issuer and example page, ready to click
  package                           the npm package, written to pkg/
  providers                         docs/providers.md and the authorization URLs, from the catalogue
  size                              what a visitor downloads, beside others, and how fast it is; held to budgets
  test [--quick]                    everything a change must pass; --quick in one browser and without bundlers
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["demo", options @ ..] => demo::run(options),
        ["package"] => package::run(),
        ["providers"] => providers::run(),
        ["bench"] => bench::run(),
        ["size"] => xtask::size::run().and_then(|()| test::speeds()),
        ["test"] => test::run(test::Extent::Whole),
        ["test", "--quick"] => test::run(test::Extent::Quick),
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
