//! The package where nothing is built: as a script, as a module, with the WebAssembly beside it, and in Node.

use std::{fs, process::Command};

use package::{PROGRAM, Project, Site, click_through, page};
use xtask::program;

#[tokio::test]
async fn a_script_tag_defines_handfast() -> anyhow::Result<()> {
    let program = PROGRAM.replace(
        "import Handfast, { ConnectError, Handfast as Named } from 'handfast';",
        "const { ConnectError } = Handfast, Named = Handfast;",
    );
    let script = format!(
        "<script src=\"node_modules/handfast/handfast.global.js\"></script><script>{program}</script>"
    );
    let project = Project::new(&[("index.html", &page(&script))])?;
    let site = Site::start(project.path(), &[]).await?;
    click_through(&site.address()).await
}

/// Import on a server (SSR) crashed on `window`.
#[test]
fn defect_16_node_imports_it_without_a_window() -> anyhow::Result<()> {
    let project = Project::new(&[
        (
            "check.mjs",
            "import Handfast, { ConnectError } from 'handfast';
             const handfast = new Handfast('https://connect.example.com/');
             const codes = [handfast.host];
             try { new Handfast('nowhere') } catch (error) { codes.push(error instanceof ConnectError, error.code) }
             await handfast.connect('github', 'user-1').catch((error) => codes.push(error.code));
             console.log(codes.join());",
        ),
        ("check.cjs", "const { default: Handfast } = require('handfast'); console.log(new Handfast('http://a.example').host);"),
    ])?;
    let run = |file| program::run(Command::new("node").arg(file).current_dir(project.path()));
    assert_eq!(run("check.mjs")?.trim(), "https://connect.example.com,true,invalid_host,popup_blocked");
    assert_eq!(run("check.cjs")?.trim(), "http://a.example");
    assert!(
        !fs::read_to_string(project.path().join("node_modules/handfast/package.json"))?.contains("0.0.0")
    );
    Ok(())
}

#[tokio::test]
async fn the_slim_build_loads_its_file() -> anyhow::Result<()> {
    let program = PROGRAM.replace("from 'handfast'", "from './node_modules/handfast/slim.js'");
    let program =
        format!("import {{ start }} from './node_modules/handfast/slim.js';\nawait start();\n{program}");
    let files = [
        ("main.js", program.as_str()),
        ("index.html", &page("<script type=\"module\" src=\"main.js\"></script>")),
    ];
    let project = Project::new(&files)?;
    let site = Site::start(project.path(), &[]).await?;
    click_through(&site.address()).await
}
