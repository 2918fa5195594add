//! A browser as the server sees it: headers, cookies, and the data that a page's script would read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::{Method, Response};
use serde_json::{Value, json};
use url::Url;

use crate::server::Server;

/// The origin that attempts come from.
pub(crate) const ORIGIN: &str = "http://127.0.0.2:8080";

/// One browser profile.
#[derive(Default)]
pub(crate) struct Browser {
    pub(crate) cookies: BTreeMap<String, String>,
}

/// A page as it arrived.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) html: String,
}

/// An attempt that a page makes.
#[derive(Clone)]
pub(crate) struct Attempt {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) request: Value,
}

impl Attempt {
    /// A fresh attempt for this connection.
    pub(crate) fn new(connection_id: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (id, secret) = (format!("{number:022}"), format!("{number:043}"));
        let request = json!({
            "protocol": 1, "attempt_id": id, "attempt_secret": secret, "connection_id": connection_id, "mode": "popup",
        });
        Self { id, secret, request }
    }

    /// The same with other fields in the request.
    pub(crate) fn with(mut self, more: Value) -> Self {
        let Value::Object(more) = more else { panic!("fields are an object") };
        self.request.as_object_mut().unwrap().extend(more);
        self
    }
}

impl Page {
    /// What the page's script reads.
    pub(crate) fn data(&self) -> Value {
        let island = self.html.split("id=\"data\">").nth(1).and_then(|rest| rest.split("</script>").next());
        serde_json::from_str(island.unwrap_or_else(|| panic!("no data in {}", self.html)))
            .expect("the data are JSON")
    }

    /// The authorization request that the page goes on to.
    pub(crate) fn authorization_request(&self) -> Url {
        let data = self.data();
        Url::parse(data["url"].as_str().unwrap_or_else(|| panic!("no authorization request in {data}")))
            .unwrap()
    }

    /// Its parameters.
    pub(crate) fn authorization_params(&self) -> BTreeMap<String, String> {
        self.authorization_request().query_pairs().into_owned().collect()
    }

    pub(crate) fn state(&self) -> String {
        self.authorization_params()["state"].clone()
    }

    /// The `state` that the page carries, if it is one that does.
    fn own_state(&self) -> Option<String> {
        let rest = self.html.split("state=").nth(1)?;
        let state: String =
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
        (state.len() == 43).then_some(state)
    }

    /// Everything that came, but for the cookies that it sets.
    fn text(&self) -> String {
        let headers = self.headers.iter().filter(|(name, _)| *name != "set-cookie");
        let headers: Vec<String> = headers.map(|(name, value)| format!("{name}: {value:?}\n")).collect();
        headers.concat() + &self.html
    }

    /// The code with which the page reports an ending that is not success.
    pub(crate) fn error_code(&self) -> String {
        let data = self.data();
        let code = data["message"]["data"]["error"]["type"].as_str();
        code.unwrap_or_else(|| panic!("no error in {data}")).to_owned()
    }

    pub(crate) fn event_type(&self) -> String {
        self.data()["message"]["eventType"].as_str().unwrap_or_default().to_owned()
    }

    /// The fields of the page's own form.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        let unescape = |text: &str| {
            text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        };
        let inputs = self.html.split("<input type=\"hidden\" name=\"").skip(1);
        let pair = |input: &str| {
            let (name, rest) = input.split_once("\" value=\"").unwrap();
            (unescape(name), unescape(rest.split_once("\">").unwrap().0))
        };
        inputs.map(pair).collect()
    }
}

impl Browser {
    /// Submits the start form of an attempt from the application's page.
    pub(crate) async fn start(&mut self, server: &Server, attempt: &Attempt) -> Page {
        let headers = [("origin", ORIGIN), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        self.start_with(server, "acme", attempt, &headers).await
    }

    pub(crate) async fn start_with(
        &mut self,
        server: &Server,
        config_key: &str,
        attempt: &Attempt,
        headers: &[(&str, &str)],
    ) -> Page {
        let form = [("request".to_owned(), attempt.request.to_string())];
        server.keep_secret(&attempt.secret);
        server.keep_secret(attempt.request["connect_token"].as_str().unwrap_or(&attempt.secret));
        // A cross-site POST carries no Lax cookie.
        self.request(
            server,
            Method::POST,
            &format!("/oauth/connect/{config_key}"),
            headers,
            Some(&form),
            false,
        )
        .await
    }

    /// Goes to an address by a link or a redirect.
    pub(crate) async fn visit(&mut self, server: &Server, path: &str) -> Page {
        self.request(server, Method::GET, path, &[("sec-fetch-dest", "document")], None, true).await
    }

    /// Comes back from the provider.
    pub(crate) async fn call_back(&mut self, server: &Server, params: &[(&str, &str)]) -> Page {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        self.visit(server, &format!("/oauth/callback?{query}")).await
    }

    /// Submits the form that a page of the server has filled in, as its script does.
    pub(crate) async fn submit(&mut self, server: &Server, page: &Page) -> Page {
        let headers = [("sec-fetch-dest", "document"), ("sec-fetch-site", "same-origin")];
        self.request(server, Method::POST, "/oauth/callback/continue", &headers, Some(&page.form()), true)
            .await
    }

    /// Submits the window's form for what the application did not say.
    pub(crate) async fn fill_in(&mut self, server: &Server, state: &str, fields: &[(&str, &str)]) -> Page {
        let mut form = vec![("state".to_owned(), state.to_owned())];
        form.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let headers = [("sec-fetch-dest", "document"), ("sec-fetch-site", "same-origin")];
        self.request(server, Method::POST, "/oauth/form", &headers, Some(&form), true).await
    }

    /// The whole dance of one attempt, up to the result page.
    pub(crate) async fn connect(&mut self, server: &Server, connection_id: &str) -> Page {
        let page = self.start(server, &Attempt::new(connection_id)).await;
        self.call_back(server, &[("code", "code-1"), ("state", &page.state())]).await
    }

    pub(crate) async fn request(
        &mut self,
        server: &Server,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        form: Option<&[(String, String)]>,
        with_cookies: bool,
    ) -> Page {
        let mut request = server.http.request(method, format!("{}{path}", server.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if with_cookies && !self.cookies.is_empty() {
            let cookies: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", cookies.join("; "));
        }
        if let Some(form) = form {
            request = request.form(form);
        }
        let response = request.send().await.expect("the server answers");
        self.keep_cookies(server, &response);
        let page = Page {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            html: response.text().await.expect("the answer is text"),
        };
        server.assert_tells_no_secret(&page.text());
        assert!(!page.headers.contains_key("access-control-allow-origin"), "no other page may read it");
        if let Some(state) = page.own_state() {
            server.keep_out_of_log(&state);
        }
        page
    }

    fn keep_cookies(&mut self, server: &Server, response: &Response) {
        for header in response.headers().get_all("set-cookie") {
            let header = header.to_str().unwrap();
            let (name, rest) = header.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if header.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                server.keep_secret(value);
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// Asks for an attempt's status, or cancels it.
pub(crate) async fn ask(server: &Server, attempt: &Attempt, action: &str, wait: u32) -> Value {
    let form = [
        ("attempt_id", attempt.id.as_str()),
        ("attempt_secret", &attempt.secret),
        ("action", action),
        ("wait", &wait.to_string()),
    ];
    let answer = server
        .http
        .post(format!("{}/oauth/attempt", server.url))
        .header("origin", ORIGIN)
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    answer.json().await.unwrap()
}
