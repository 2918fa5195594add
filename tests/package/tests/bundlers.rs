//! The package in fresh projects, each built without plugins and clicked in a real browser.

use std::{process::Stdio, time::Duration};

use package::{PROGRAM, Project, Site, click_through, page};
use xtask::{
    program::{self, Running},
    tools,
};

const VITE: &[&str] = &["vite@8.3.8"];

#[tokio::test]
async fn esbuild_bundles_it() -> anyhow::Result<()> {
    let tools = tools::from_npm("esbuild", &["esbuild@0.28.2"])?;
    let files = [("main.js", PROGRAM), ("index.html", &page("<script src=\"built.js\"></script>"))];
    let project = Project::new(&files)?;
    project.run(&tools, "esbuild", &["main.js", "--bundle", "--minify", "--outfile=built.js"])?;
    let site = Site::start(project.path(), &[]).await?;
    click_through(&site.address()).await
}

#[tokio::test]
async fn vite_builds_it() -> anyhow::Result<()> {
    let tools = tools::from_npm("vite", VITE)?;
    let files =
        [("main.js", PROGRAM), ("index.html", &page("<script type=\"module\" src=\"/main.js\"></script>"))];
    let project = Project::new(&files)?;
    project.run(&tools, "vite", &["build"])?;
    let site = Site::start(&project.path().join("dist"), &[]).await?;
    click_through(&site.address()).await
}

#[tokio::test]
async fn vite_serves_it_to_developers() -> anyhow::Result<()> {
    let tools = tools::from_npm("vite", VITE)?;
    let files =
        [("main.js", PROGRAM), ("index.html", &page("<script type=\"module\" src=\"/main.js\"></script>"))];
    let project = Project::new(&files)?;
    let mut vite = program::family_bound_to_us(tools.join("node_modules/.bin/vite"));
    vite.args(["--host", "127.0.0.2", "--port", "0"])
        .current_dir(project.path())
        .env("NO_COLOR", "1")
        .stdout(Stdio::piped());
    let mut running = Running::start(&mut vite)?;
    let rest = running.rest_of_line("http://", Duration::from_mins(1))?;
    let address = format!("http://{}", rest.trim());
    click_through(&address).await
}

#[tokio::test]
async fn webpack_bundles_it() -> anyhow::Result<()> {
    let tools = tools::from_npm("webpack", &["webpack@5.112.2", "webpack-cli@7.3.1"])?;
    let files = [("src/index.js", PROGRAM), ("dist/index.html", &page("<script src=\"main.js\"></script>"))];
    let project = Project::new(&files)?;
    project.run(&tools, "webpack", &["--mode", "production"])?;
    let site = Site::start(&project.path().join("dist"), &[]).await?;
    click_through(&site.address()).await
}

#[tokio::test]
async fn rollup_bundles_it() -> anyhow::Result<()> {
    let tools = tools::from_npm("rollup", &["rollup@4.68.7"])?;
    // Without a plugin Rollup knows no package names.
    let program = PROGRAM.replace("from 'handfast'", "from './node_modules/handfast/handfast.js'");
    let files = [
        ("main.js", program.as_str()),
        ("index.html", &page("<script type=\"module\" src=\"built.js\"></script>")),
    ];
    let project = Project::new(&files)?;
    project.run(
        &tools,
        "rollup",
        &["main.js", "--file", "built.js", "--format", "es", "--failAfterWarnings"],
    )?;
    let site = Site::start(project.path(), &[]).await?;
    click_through(&site.address()).await
}

#[tokio::test]
async fn parcel_builds_it() -> anyhow::Result<()> {
    let tools = tools::from_npm("parcel", &["parcel@2.16.4"])?;
    let files =
        [("main.js", PROGRAM), ("index.html", &page("<script type=\"module\" src=\"main.js\"></script>"))];
    let project = Project::new(&files)?;
    project.run(&tools, "parcel", &["build", "index.html", "--no-cache"])?;
    let site = Site::start(&project.path().join("dist"), &[]).await?;
    click_through(&site.address()).await
}

/// A page of Next.js with the React hook; it is rendered at build time too, without a window.
const NEXT_PAGE: &str = r"'use client';
import { useEffect, useState } from 'react';
import { useConnect } from 'handfast/react';

export default function Page() {
  const [query, setQuery] = useState(null);
  useEffect(() => setQuery(new URLSearchParams(location.search)), []);
  const { state, connected, error, connect } = useConnect(query?.get('host') ?? 'http://localhost');
  useEffect(() => { window.ready = query !== null; });
  return (
    <main>
      <button id='connect' onClick={() => connect('github', query.get('id'))}>Connect</button>
      <p id='answer'>{connected ? `connected ${connected.connectionId}` : error ? error.code : state}</p>
    </main>
  );
}
";

async fn next_builds_it(bundler: &str) -> anyhow::Result<()> {
    let tools = tools::from_npm("next", &["next@16.4.6", "react@19.3.1", "react-dom@19.3.1"])?;
    let project = Project::new(&[
        ("app/page.js", NEXT_PAGE),
        ("app/layout.js", "export default ({ children }) => <html><body>{children}</body></html>;"),
        ("next.config.mjs", "export default { output: 'export' };"),
    ])?;
    project.install(&tools)?;
    project.run(project.path(), "next", &["build", bundler])?;
    let site = Site::start(&project.path().join("out"), &[]).await?;
    click_through(&site.address()).await
}

#[tokio::test]
async fn next_builds_it_with_turbopack() -> anyhow::Result<()> {
    next_builds_it("--turbopack").await
}

#[tokio::test]
async fn next_builds_it_with_webpack() -> anyhow::Result<()> {
    next_builds_it("--webpack").await
}
