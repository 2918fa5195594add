//! Sends token requests: no redirects, bounded in size and time, and to public addresses only.

use std::{
    error::Error,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use handfast_broker::{SendError, TokenAnswer, TokenEndpoint, TokenRequest};
use handfast_protocol::Secret;
use reqwest::{
    Client, Method,
    dns::{Addrs, Name, Resolve, Resolving},
    header::CONTENT_TYPE,
    redirect,
};
use url::{Host, Url};

/// How long a provider may take for its whole answer. Shorter than the lease of a refresh.
const TIME_LIMIT: Duration = Duration::from_secs(15);

/// How long a connection may take.
const CONNECT_TIME_LIMIT: Duration = Duration::from_secs(8);

/// An HTTP client for addresses that came from data. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub(crate) struct TokenClient {
    /// Made for the first request: it reads the system's certificates, which a start need not wait for.
    client: Arc<OnceLock<Client>>,
    allows_private: bool,
}

impl TokenClient {
    /// A client that reaches private addresses, and speaks plain http, only if `allows_private`.
    pub(crate) fn new(allows_private: bool) -> Self {
        Self { client: Arc::default(), allows_private }
    }

    fn client(&self) -> Result<&Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(TIME_LIMIT)
            .connect_timeout(CONNECT_TIME_LIMIT)
            .dns_resolver(Arc::new(CheckedResolver { allows_private: self.allows_private }))
            // A proxy would resolve names itself, behind the check.
            .no_proxy()
            .user_agent(concat!("handfast/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(self.client.get_or_init(|| client))
    }

    /// What can be told before the name is resolved. Addresses in the URL itself never meet the resolver.
    fn check(&self, url: &Url) -> Result<(), SendError> {
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return Err(SendError::ForbiddenAddress(printable(url))),
        };
        let scheme_holds = url.scheme() == "https" || (url.scheme() == "http" && self.allows_private);
        if !scheme_holds || (!self.allows_private && literal.is_some_and(|address| !is_public(address))) {
            return Err(SendError::ForbiddenAddress(printable(url)));
        }
        Ok(())
    }
}

impl TokenEndpoint for TokenClient {
    async fn send(&self, request: TokenRequest) -> Result<TokenAnswer, SendError> {
        let url = request.url.into_exposed();
        self.check(&url)?;
        let name = printable(&url);
        let method = if request.method == "GET" { Method::GET } else { Method::POST };
        let client = self.client().map_err(|error| {
            tracing::error!(
                error = &error as &dyn Error,
                "no provider can be asked: are the system's certificates installed?"
            );
            SendError::Unreachable(name.clone())
        })?;
        let mut builder = client.request(method, url);
        for (field, value) in &request.headers {
            builder = builder.header(field, value.expose());
        }
        if !request.body.expose().is_empty() {
            builder = builder.body(request.body.into_exposed());
        }
        let mut response = builder.send().await.map_err(|error| send_error(&error, &name))?;
        let status = response.status().as_u16();
        let content_type =
            response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| send_error(&error, &name))? {
            if body.len() + chunk.len() > TokenAnswer::MAX_BYTES {
                return Err(SendError::TooLarge(name));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(TokenAnswer { status, content_type, body: Secret::new(body) })
    }
}

fn send_error(error: &reqwest::Error, name: &str) -> SendError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if current.is::<ForbiddenAddress>() {
            return SendError::ForbiddenAddress(name.to_owned());
        }
        cause = current.source();
    }
    // The error's own text may hold the URL, and a URL may hold a secret.
    tracing::warn!(
        endpoint = name,
        timeout = error.is_timeout(),
        connect = error.is_connect(),
        "a provider could not be reached"
    );
    SendError::Unreachable(name.to_owned())
}

/// The address without path and query, which may hold secrets.
fn printable(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// A name that leads to an address on this side of the internet.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to a private, loopback or link-local address")]
struct ForbiddenAddress;

/// Resolves a name and keeps only addresses that may be called. The connection is made to exactly these, so that a
/// second look-up cannot bring another answer.
#[derive(Debug)]
struct CheckedResolver {
    allows_private: bool,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allows_private = self.allows_private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|address| allows_private || is_public(address.ip())).collect();
            if allowed.is_empty() {
                return Err(ForbiddenAddress.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet: what the IANA special-purpose registries leave over.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Forms that carry an IPv4 address lead wherever that leads.
    let embedded = match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    if let Some((high, low)) = embedded {
        return is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    }
    // 2000::/3 is what is handed out; of it, 2001::/23 and the documentation ranges are special.
    let global = segments[0] & 0xe000 == 0x2000;
    let special =
        (segments[0] == 0x2001 && (segments[1] < 0x200 || segments[1] == 0xdb8)) || segments[0] == 0x3fff;
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_loopback_and_link_local_addresses_are_not_public() {
        for bad in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.31.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "fec0::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(bad.parse().unwrap()), "{bad}");
        }
        for good in ["1.1.1.1", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(is_public(good.parse().unwrap()), "{good}");
        }
    }

    #[test]
    fn an_address_in_the_url_is_checked_without_the_resolver() {
        let client = TokenClient::new(false);
        for bad in [
            "http://provider.test/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://2130706433/",
            "ftp://provider.test/",
        ] {
            assert!(client.check(&Url::parse(bad).unwrap()).is_err(), "{bad}");
        }
        assert!(client.check(&Url::parse("https://provider.test/").unwrap()).is_ok());
    }

    #[tokio::test]
    async fn a_name_that_leads_to_loopback_is_refused() {
        let client = TokenClient::new(false);
        let request = TokenRequest {
            method: "POST",
            url: Secret::new(Url::parse("https://localhost:1/token").unwrap()),
            headers: Vec::new(),
            body: Secret::default(),
        };
        let error = client.send(request).await.unwrap_err();
        assert_eq!(error, SendError::ForbiddenAddress("https://localhost:1".to_owned()));
    }
}
