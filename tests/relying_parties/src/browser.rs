//! A browser without a screen: follows redirects, keeps cookies, logs in as Ada and consents.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use reqwest::{Client, RequestBuilder, header, redirect::Policy};
use url::Url;

/// The browser. It stays with the servers it is told of, and stops where an address leads elsewhere.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    cookies: BTreeMap<(String, String), String>,
    /// Where each known origin really listens.
    origins: BTreeMap<String, String>,
}

/// Where a visit ended.
#[derive(Clone, Debug)]
pub struct Landing {
    /// The address, as the address bar shows it.
    pub url: String,
    /// Status and text of the page; none where the address is not one of the known servers'.
    pub page: Option<(u16, String)>,
}

impl Browser {
    /// A browser that knows these servers.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new(servers: &[&str]) -> anyhow::Result<Self> {
        let client = Client::builder().redirect(Policy::none()).build()?;
        let origins = servers.iter().map(|server| ((*server).to_owned(), (*server).to_owned())).collect();
        Ok(Self { client, cookies: BTreeMap::new(), origins })
    }

    /// Also knows `origin`, which really listens at `server`.
    #[must_use]
    pub fn with_host(mut self, origin: &str, server: &str) -> Self {
        self.origins.insert(origin.to_owned(), server.to_owned());
        self
    }

    /// Opens an address and goes on until there is nothing more to answer.
    ///
    /// # Errors
    /// When a server cannot be reached, or the way has no end.
    pub async fn visit(&mut self, url: &str) -> anyhow::Result<Landing> {
        let mut url: Url = url.parse().with_context(|| format!("{url} is no address"))?;
        let mut form: Option<Vec<(String, String)>> = None;
        for _ in 0..20 {
            let Some(server) = self.origins.get(&url.origin().ascii_serialization()) else {
                return Ok(Landing { url: url.into(), page: None });
            };
            let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
            let address = format!("{server}{path}");
            let request = match form.take() {
                Some(fields) => self.client.post(address).form(&fields),
                None => self.client.get(address),
            };
            let host = url.host_str().unwrap_or_default().to_owned();
            let answer = self.send(request, &host).await?;
            if answer.status().is_redirection() {
                let location = answer.headers().get(header::LOCATION).context("a redirect has a location")?;
                url = url.join(location.to_str()?)?;
                continue;
            }
            let status = answer.status().as_u16();
            let page = answer.text().await?;
            form = answer_to(&page).filter(|_| status == 200);
            if form.is_none() {
                return Ok(Landing { url: url.into(), page: Some((status, page)) });
            }
        }
        bail!("{url} leads to no end");
    }

    async fn send(&mut self, request: RequestBuilder, host: &str) -> anyhow::Result<reqwest::Response> {
        let own = self.cookies.iter().filter(|((of, _), _)| of == host);
        let cookies: Vec<_> = own.map(|((_, name), value)| format!("{name}={value}")).collect();
        let answer = request.header(header::COOKIE, cookies.join("; ")).send().await?;
        for cookie in answer.headers().get_all(header::SET_COOKIE) {
            let (name, rest) = cookie.to_str()?.split_once('=').context("a cookie has a name")?;
            let value = rest.split(';').next().unwrap_or_default();
            self.cookies.insert((host.to_owned(), name.to_owned()), value.to_owned());
        }
        Ok(answer)
    }
}

/// What a person does with a page: consents, or logs in.
fn answer_to(page: &str) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    if page.contains("name=\"decision\"") {
        fields.push(("decision".to_owned(), "allow".to_owned()));
    } else if page.contains("name=\"name\"") {
        fields.push(("name".to_owned(), "ada".to_owned()));
    } else {
        return None;
    }
    let token = page.split_once("name=\"csrf_token\" value=\"").and_then(|(_, rest)| rest.split('"').next());
    fields.extend(token.map(|token| ("csrf_token".to_owned(), token.to_owned())));
    Some(fields)
}

impl Landing {
    /// A parameter of the address.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<String> {
        let url: Url = self.url.parse().ok()?;
        url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
    }
}
