//! Pages that make it hard: strict policies, frames, the keyboard alone, a small screen; and the forms without a build.

use end_to_end::browser::Browser;
use package::{PROGRAM, Project, Server, Site, click_through, page};
use serde_json::Value;

const STRICT: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src http://localhost:*; \
         form-action http://localhost:*; img-src data:; require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("referrer-policy", "no-referrer"),
];

const MODULE: &str = "<script type=\"module\" src=\"main.js\"></script>";

fn project() -> anyhow::Result<Project> {
    let program = PROGRAM.replace("from 'handfast'", "from './node_modules/handfast/handfast.js'");
    Project::new(&[("main.js", &program), ("index.html", &page(MODULE))])
}

async fn rejected(address: &str, host: &str) -> anyhow::Result<String> {
    let browser = Browser::start().await?;
    browser.open(&format!("{address}?host={host}&id=user-1")).await?;
    browser.until("window.ready === true").await;
    browser.click("#connect").await?;
    browser.until("document.querySelector('#answer').textContent !== ''").await;
    let answer = browser.run("return document.querySelector('#answer').textContent", &[]).await?;
    Ok(answer.as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn it_works_under_a_strict_policy_and_trusted_types() -> anyhow::Result<()> {
    let project = project()?;
    let site = Site::start(project.path(), STRICT).await?;
    click_through(&site.address()).await
}

#[tokio::test]
async fn a_policy_that_forbids_the_form_or_webassembly_is_named() -> anyhow::Result<()> {
    let project = project()?;
    let server = Server::start().await?;
    for policy in ["form-action 'self'", "script-src 'self'"] {
        let headers: &'static [(&str, &str)] = match policy {
            "form-action 'self'" => &[("content-security-policy", "form-action 'self'")],
            _ => &[("content-security-policy", "script-src 'self'")],
        };
        let site = Site::start(project.path(), headers).await?;
        assert_eq!(rejected(&site.address(), &server.host()).await?, "true csp_blocked", "{policy}");
    }
    assert!(server.attempts("user-1").is_empty());
    Ok(())
}

#[tokio::test]
async fn it_works_inside_a_frame_and_says_why_not_in_a_sandbox() -> anyhow::Result<()> {
    let project = project()?;
    // A sandboxed frame has no origin: to it, modules come from another site.
    let site = Site::start(project.path(), &[("access-control-allow-origin", "*")]).await?;
    let server = Server::start().await?;
    let browser = Browser::start().await?;
    for (sandbox, expected) in
        [("", "connected user-1"), (" sandbox='allow-scripts allow-popups'", "true sandboxed")]
    {
        let frame = format!(
            "<!doctype html><iframe{sandbox} src='index.html?host={}&id=user-1'></iframe>",
            server.host()
        );
        project.write("frame.html", &frame)?;
        browser.open(&format!("{}frame.html", site.address())).await?;
        browser.to_frame().await?;
        browser.until("window.ready === true").await;
        browser.click("#connect").await?;
        if expected.starts_with("connected") {
            browser.to_popup().await?;
            browser.click("#success").await?;
            browser.to_application().await?;
            browser.to_frame().await?;
        }
        browser.until(&format!("document.querySelector('#answer').textContent === '{expected}'")).await;
        browser.leave_frame().await?;
    }
    Ok(())
}

#[tokio::test]
async fn marked_buttons_and_the_element_connect_by_keyboard() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let host = server.host();
    let markup = format!(
        "<!doctype html><meta name=viewport content='width=device-width'>
         <button id=marked data-handfast-connect=github data-handfast-connection-id=marked data-handfast-host='{host}'>Connect</button>
         <handfast-connect id=element config-key=github connection-id=element host='{host}'>Connect GitHub</handfast-connect>
         <script>
           window.heard = [];
           for (const type of ['handfast-event', 'handfast-connected', 'handfast-error'])
             document.addEventListener(type, ({{ target, detail }}) => heard.push([target.id, type, detail.type ?? detail.connectionId ?? detail.code].join(' ')));
         </script>
         <script src=node_modules/handfast/handfast.global.js></script>
         <script type=module src=node_modules/handfast/element.js></script>"
    );
    let project = Project::new(&[("index.html", &markup)])?;
    let site = Site::start(project.path(), &[]).await?;
    let browser = Browser::start().await?;
    browser.resize(360, 640).await?;
    browser.open(&site.address()).await?;
    browser.until("customElements.get('handfast-connect')").await;
    for id in ["marked", "element"] {
        browser.to_application().await?;
        browser.run(&format!("document.querySelector('#{id}').focus()"), &[]).await?;
        browser.press("\u{e007}").await?;
        browser.to_popup().await?;
        browser.click("#success").await?;
        browser.to_application().await?;
        browser.until(&format!("heard.includes('{id} handfast-connected {id}')")).await;
        browser.until_popup_is_gone().await;
    }
    let heard: Value = browser.run("return heard", &[]).await?;
    assert_eq!(heard[0], "marked handfast-event opened");
    assert_eq!(heard[1], "marked handfast-event started");
    let states = browser.run("return [marked.dataset.handfastState, document.querySelector('#element').getAttribute('state')].join()", &[]).await?;
    assert_eq!(states, "connected,connected");
    Ok(())
}
