//! What a Rust front end works with.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use js_sys::futures::JsFuture;
use wasm_bindgen::JsValue;

use crate::connect_error::ConnectError;
use crate::host::Host;
use crate::js::text_property;
use crate::options::ConnectOptions;

/// A Handfast server, as a page sees it.
///
/// ```no_run
/// # async fn clicked() -> Result<(), handfast::ConnectError> {
/// let handfast = handfast::Handfast::new("https://connect.example.com")?;
/// let connected = handfast.connect("github", "user-1", handfast::ConnectOptions::new()).await?;
/// assert_eq!(connected.connection_id, "user-1");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Handfast {
    host: Host,
}

/// What a successful connect gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Connected {
    /// Names the integration.
    pub config_key: String,
    /// Names the connection.
    pub connection_id: String,
}

/// The end of one attempt, to be awaited. The attempt runs whether it is polled or not.
#[derive(Debug)]
#[must_use = "the outcome is known only to those who await it"]
pub struct Connecting(JsFuture);

impl Handfast {
    /// Names the server by its address, such as `https://connect.example.com`.
    ///
    /// # Errors
    /// `invalid_host`: not an http or https address, or one with a query, fragment or user name.
    pub fn new(host: &str) -> Result<Self, ConnectError> {
        Host::parse(&host.into()).map(|host| Self { host }).map_err(|error| ConnectError::read(&error))
    }

    /// Opens the window before it returns: call it directly in the click's handler, then await what it returns.
    ///
    /// While an attempt for the same pair of names runs, its window comes to the front and its outcome is shared.
    pub fn connect(&self, config_key: &str, connection_id: &str, options: ConnectOptions) -> Connecting {
        let (config_key, connection_id) = (config_key.into(), connection_id.into());
        let host = Ok(self.host.clone());
        let page = web_sys::window();
        Connecting(JsFuture::from(crate::connect::connect(page, host, &config_key, &connection_id, options)))
    }

    /// Ends an attempt that left the page in redirect mode: call it when the page that comes back begins. `None` if
    /// there was none. A user who came back without an answer ends as `popup_closed`.
    ///
    /// # Errors
    /// Those of [`Handfast::connect`]; after `network`, it may be called again.
    pub async fn resume(&self) -> Result<Option<Connected>, ConnectError> {
        match JsFuture::from(crate::connect::resume(web_sys::window(), self.host.clone())).await {
            Ok(ids) if ids.is_null() => Ok(None),
            settled => read(settled).map(Some),
        }
    }

    /// Cancels every attempt that runs at this server; they end as `aborted`.
    pub fn cancel(&self) {
        crate::connect::cancel(&self.host);
    }
}

impl Future for Connecting {
    type Output = Result<Connected, ConnectError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(read)
    }
}

fn read(settled: Result<JsValue, JsValue>) -> Result<Connected, ConnectError> {
    match settled {
        Ok(ids) => Ok(Connected {
            config_key: text_property(&ids, "configKey").unwrap_or_default(),
            connection_id: text_property(&ids, "connectionId").unwrap_or_default(),
        }),
        Err(error) => Err(ConnectError::read(&error)),
    }
}
