//! A real browser with a fresh profile, driven by WebDriver: what a person sees and clicks.

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use fantoccini::{
    Client, ClientBuilder, Locator,
    elements::Element,
    error::{CmdError, NewSessionError},
    wd::WindowHandle,
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use xtask::{
    program::{self, Running},
    tools,
};

use crate::{PATIENCE, eventually};

/// How long a browser may take to start. Several that start at once on a busy machine take long.
const STARTING: Duration = Duration::from_secs(90);

/// Which browser the scenarios are played in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Chromium, by its own driver.
    Chromium,
    /// Firefox, by geckodriver.
    Firefox,
    /// WebKitGTK's small browser, by its own driver, on a display of its own.
    WebKit,
}

impl Engine {
    /// The engine that `E2E_BROWSER` names: `chromium` (also where it is not set), `firefox` or `webkit`.
    ///
    /// # Errors
    /// When it names another.
    pub fn of_this_run() -> anyhow::Result<Self> {
        match std::env::var("E2E_BROWSER").as_deref() {
            Err(_) | Ok("chromium") => Ok(Self::Chromium),
            Ok("firefox") => Ok(Self::Firefox),
            Ok("webkit") => Ok(Self::WebKit),
            Ok(other) => bail!("E2E_BROWSER is chromium, firefox or webkit, not {other}"),
        }
    }

    /// Starts the driver; hands back its port, and what must live as long.
    fn start_driver(self, folder: &Path) -> anyhow::Result<(u16, Vec<Running>)> {
        let quiet = |command: &mut Command| {
            command.env("TMPDIR", folder).stdout(Stdio::piped()).stderr(Stdio::null());
        };
        match self {
            Self::Chromium => {
                let mut command = program::family_bound_to_us("chromedriver");
                quiet(command.arg("--port=0"));
                let mut driver = Running::start(&mut command)?;
                let port = number_after(&mut driver, "started successfully on port ")?;
                Ok((port, vec![driver]))
            }
            Self::Firefox => {
                let geckodriver =
                    tools::from_crates_io("geckodriver", tools::GECKODRIVER)?.join("geckodriver");
                let mut command = program::family_bound_to_us(geckodriver);
                quiet(command.args(["--port", "0", "--profile-root"]).arg(folder).env("HOME", folder));
                let mut driver = Running::start(&mut command)?;
                let port = number_after(&mut driver, "Listening on 127.0.0.1:")?;
                Ok((port, vec![driver]))
            }
            Self::WebKit => {
                let mut command = program::family_bound_to_us("Xvfb");
                quiet(command.args(["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]));
                let mut display = Running::start(&mut command)?;
                let number = number_after(&mut display, "")?;
                // It does not choose a port itself, and says nothing when it listens.
                let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
                let mut command = program::family_bound_to_us("WebKitWebDriver");
                quiet(
                    command
                        .arg(format!("--port={port}"))
                        .env("DISPLAY", format!(":{number}"))
                        .env("HOME", folder),
                );
                Ok((port, vec![Running::start(&mut command)?, display]))
            }
        }
    }

    /// What the driver is asked for. Popup blocking is on, as in people's browsers; some drivers turn it off otherwise.
    fn capabilities(self, folder: &Path) -> Value {
        match self {
            Self::Chromium => json!({
                "browserName": "chrome",
                "goog:chromeOptions": {
                    "args": [
                        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                        "--disable-background-networking", "--disable-component-update", "--disable-sync",
                        "--disable-quic", "--no-first-run", "--window-size=1000,800",
                        format!("--user-data-dir={}", folder.join("profile").display()),
                    ],
                    "excludeSwitches": ["disable-popup-blocking"],
                },
            }),
            Self::Firefox => json!({
                "browserName": "firefox",
                "moz:firefoxOptions": {
                    "args": ["-headless"],
                    "prefs": {
                        "dom.disable_open_during_load": true,
                        "network.captive-portal-service.enabled": false,
                        "network.connectivity-service.enabled": false,
                    },
                },
            }),
            Self::WebKit => json!({}),
        }
    }
}

/// A browser with a profile of its own; it ends, with all its processes, when this is dropped.
pub struct Browser {
    engine: Engine,
    client: Client,
    /// The window that shows the application.
    application: WindowHandle,
    _programs: Vec<Running>,
    _folder: TempDir,
}

impl Browser {
    /// Starts the browser of this run.
    ///
    /// # Errors
    /// When driver or browser do not start.
    pub async fn start() -> anyhow::Result<Self> {
        let engine = Engine::of_this_run()?;
        let folder = tempfile::tempdir()?;
        let (port, programs) = engine.start_driver(folder.path())?;
        let Value::Object(capabilities) = engine.capabilities(folder.path()) else {
            bail!("capabilities are an object")
        };
        let address = format!("http://127.0.0.1:{port}");
        let connected = async {
            loop {
                let mut builder = ClientBuilder::new(HttpConnector::new());
                match builder.capabilities(capabilities.clone()).connect(&address).await {
                    // A driver that does not listen yet is asked again.
                    Err(
                        NewSessionError::Lost(_) | NewSessionError::Failed(_) | NewSessionError::FailedC(_),
                    ) => {
                        sleep(Duration::from_millis(50)).await;
                    }
                    answered => return answered,
                }
            }
        };
        let client =
            tokio::time::timeout(STARTING, connected).await.context("the browser does not start")??;
        let application = answered("tell its window", client.window()).await?;
        Ok(Self { engine, client, application, _programs: programs, _folder: folder })
    }

    /// What kind of browser it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Opens an address in the application's window.
    ///
    /// # Errors
    /// When the browser cannot.
    pub async fn open(&self, address: &str) -> anyhow::Result<()> {
        self.to_application().await?;
        self.open_here(address).await
    }

    /// Opens an address in the current window.
    ///
    /// # Errors
    /// When the browser cannot.
    pub async fn open_here(&self, address: &str) -> anyhow::Result<()> {
        answered("open an address", self.client.goto(address)).await
    }

    /// The address that the current window shows.
    ///
    /// # Errors
    /// When the window is gone.
    pub async fn address(&self) -> anyhow::Result<String> {
        Ok(answered("tell the address", self.client.current_url()).await?.into())
    }

    /// Presses the browser's button that goes back.
    ///
    /// # Errors
    /// When the browser cannot.
    pub async fn back(&self) -> anyhow::Result<()> {
        answered("go back", self.client.back()).await
    }

    /// Opens the application's page and makes its `Handfast` for this server.
    ///
    /// # Errors
    /// When the browser cannot.
    pub async fn open_application(&self, page: &str, server: &str) -> anyhow::Result<()> {
        self.open_application_with(page, &json!(server)).await
    }

    /// The same for a library that takes something else than the server's address.
    ///
    /// # Errors
    /// When the browser cannot.
    pub async fn open_application_with(&self, page: &str, argument: &Value) -> anyhow::Result<()> {
        self.open(page).await?;
        self.until("window.ready === true").await;
        self.run("window.prepare(arguments[0])", std::slice::from_ref(argument)).await?;
        Ok(())
    }

    /// Clicks the application's button, which calls `connect`.
    ///
    /// # Errors
    /// When the browser cannot.
    pub async fn connect(&self, config_key: &str, connection_id: &str) -> anyhow::Result<()> {
        self.connect_with(config_key, connection_id, &json!({})).await
    }

    /// The same with options for `connect`.
    ///
    /// # Errors
    /// When the browser cannot.
    pub async fn connect_with(
        &self,
        config_key: &str,
        connection_id: &str,
        options: &Value,
    ) -> anyhow::Result<()> {
        self.to_application().await?;
        let ask = json!({"configKey": config_key, "connectionId": connection_id, "options": options});
        self.run("window.ask = arguments[0]", &[ask]).await?;
        self.click("#connect").await?;
        self.looks_at_the_application(false).await
    }

    /// Whether the person looks at the application's window or at another. On a screen the browser knows; without one
    /// it says that every window has the focus.
    ///
    /// # Errors
    /// When the browser cannot.
    pub async fn looks_at_the_application(&self, looks: bool) -> anyhow::Result<()> {
        self.to_application().await?;
        self.run("document.hasFocus = () => arguments[0]", &[json!(looks)]).await?;
        Ok(())
    }

    /// Waits for the window that a click opened and goes there.
    ///
    /// # Errors
    /// When the browser cannot.
    pub async fn to_popup(&self) -> anyhow::Result<WindowHandle> {
        self.to_new_popup(&[]).await
    }

    /// The same where other such windows are open already.
    ///
    /// # Errors
    /// When the browser cannot.
    pub async fn to_new_popup(&self, known: &[WindowHandle]) -> anyhow::Result<WindowHandle> {
        let popup = eventually("a window opens", async || {
            let windows = self.client.windows().await.ok()?;
            windows.into_iter().find(|window| *window != self.application && !known.contains(window))
        })
        .await;
        self.to(&popup).await?;
        Ok(popup)
    }

    /// Goes to a window.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn to(&self, window: &WindowHandle) -> anyhow::Result<()> {
        answered("go to a window", self.client.switch_to_window(window.clone())).await
    }

    /// Opens a further tab beside the application and goes there.
    ///
    /// # Errors
    /// When the browser cannot.
    pub async fn to_new_tab(&self) -> anyhow::Result<()> {
        // A popup has no place for tabs: asked from there, Firefox never answers.
        self.to_application().await?;
        let tab = answered("open a tab", self.client.new_window(true)).await?;
        self.to(&tab.handle).await
    }

    /// Closes the current window, as its own button does.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn close_window(&self) -> anyhow::Result<()> {
        answered("close a window", self.client.close_window()).await
    }

    /// Makes the current window so many pixels wide and high.
    ///
    /// # Errors
    /// When the browser cannot.
    pub async fn resize(&self, width: u32, height: u32) -> anyhow::Result<()> {
        answered("resize a window", self.client.set_window_size(width, height)).await
    }

    /// Goes into the first frame of the page.
    ///
    /// # Errors
    /// When there is none.
    pub async fn to_frame(&self) -> anyhow::Result<()> {
        answered("enter a frame", self.client.enter_frame(0)).await
    }

    /// Goes back to the page around the frame.
    ///
    /// # Errors
    /// When the window is gone.
    pub async fn leave_frame(&self) -> anyhow::Result<()> {
        answered("leave a frame", self.client.enter_parent_frame()).await
    }

    /// Goes back to the application's window.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn to_application(&self) -> anyhow::Result<()> {
        self.to(&self.application).await
    }

    /// How many windows are open.
    ///
    /// # Errors
    /// When the browser cannot tell.
    pub async fn windows(&self) -> anyhow::Result<usize> {
        Ok(answered("count its windows", self.client.windows()).await?.len())
    }

    /// Waits until only the application's window is left.
    pub async fn until_popup_is_gone(&self) {
        eventually("the window closes", async || (self.windows().await.ok()? == 1).then_some(())).await;
    }

    /// What came of the connect for this id: `{resolved: ..}` or `{rejected: ..}`.
    ///
    /// # Errors
    /// When the application's window is gone.
    pub async fn answer(&self, connection_id: &str) -> anyhow::Result<Value> {
        self.to_application().await?;
        let what = format!("the promise for {connection_id:?} settles");
        let answer = eventually(&what, async || {
            let answer =
                self.run("return window.answers[arguments[0]] ?? null", &[json!(connection_id)]).await;
            answer.ok().filter(|answer| !answer.is_null())
        });
        Ok(answer.await)
    }

    /// The code with which the connect for this id was rejected.
    ///
    /// # Errors
    /// When it was not.
    pub async fn rejection(&self, connection_id: &str) -> anyhow::Result<String> {
        let answer = self.answer(connection_id).await?;
        let code =
            answer["rejected"]["code"].as_str().with_context(|| format!("it was not rejected: {answer}"))?;
        Ok(code.to_owned())
    }

    /// Waits for an element.
    ///
    /// # Errors
    /// When it does not appear.
    pub async fn element(&self, css: &str) -> anyhow::Result<()> {
        self.find(css).await.map(drop)
    }

    async fn find(&self, css: &str) -> anyhow::Result<Element> {
        let began_at = Instant::now();
        loop {
            // The window may be between two pages.
            match answered("find an element", self.client.find(Locator::Css(css))).await {
                Ok(element) => return Ok(element),
                Err(_) if began_at.elapsed() < PATIENCE => sleep(Duration::from_millis(20)).await,
                Err(error) => {
                    let url = self.address().await;
                    let body = self.run("return document.body.outerHTML", &[]).await;
                    bail!("{css} does not appear on {url:?}: {error:#}\n{body:?}")
                }
            }
        }
    }

    /// Clicks an element once it is there.
    ///
    /// # Errors
    /// When it does not appear or cannot be clicked.
    pub async fn click(&self, css: &str) -> anyhow::Result<()> {
        answered("click", self.find(css).await?.click()).await
    }

    /// Types a text into an element once it is there.
    ///
    /// # Errors
    /// When it does not appear or takes no text.
    pub async fn type_into(&self, css: &str, text: &str) -> anyhow::Result<()> {
        answered("type", self.find(css).await?.send_keys(text)).await
    }

    /// Presses a key where the focus is; Enter is `\u{e007}` (WebDriver 17.4.2).
    ///
    /// # Errors
    /// When nothing has the focus.
    pub async fn press(&self, key: &str) -> anyhow::Result<()> {
        let focused = answered("find the focus", self.client.active_element()).await?;
        answered("press a key", focused.send_keys(key)).await
    }

    /// The text of the page, as a person reads it.
    ///
    /// # Errors
    /// When the window is gone.
    pub async fn text(&self) -> anyhow::Result<String> {
        answered("read a page", self.find("body").await?.text()).await
    }

    /// Waits until the page says these words.
    pub async fn until_text(&self, words: &str) {
        let what = format!("the page says {words:?}");
        eventually(&what, async || self.text().await.ok()?.contains(words).then_some(())).await;
    }

    /// Runs a script in the current window.
    ///
    /// # Errors
    /// When the window is gone or the script throws.
    pub async fn run(&self, script: &str, arguments: &[Value]) -> anyhow::Result<Value> {
        answered("run a script", self.client.execute(script, arguments.to_vec())).await
    }

    /// Waits until an expression is true in the current window.
    pub async fn until(&self, expression: &str) {
        let script = format!("return Boolean({expression})");
        eventually(expression, async || (self.run(&script, &[]).await.ok()? == true).then_some(())).await;
    }
}

/// The driver's answer to a command. One that says nothing more, as when a window went away under it, is an error: no
/// test may wait for ever.
async fn answered<T>(command: &str, answer: impl Future<Output = Result<T, CmdError>>) -> anyhow::Result<T> {
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    answer
        .with_context(|| format!("the browser was told to {command} and does not answer"))?
        .context(command.to_owned())
}

/// Reads the number that a program prints after these words.
fn number_after(running: &mut Running, words: &str) -> anyhow::Result<u16> {
    let rest = running.rest_of_line(words, PATIENCE).context("what drives the browser does not start")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().with_context(|| format!("a number is expected after {words:?}"))
}
