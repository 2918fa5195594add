//! Limits per client address on the routes that browsers ask without any key.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use handfast_protocol::ErrorCode;

use super::error::Problem;
use crate::{app::App, workers::Peer};

/// At how many known addresses the idle ones are forgotten.
const MANY: usize = 10_000;

/// A bucket of tokens for each client address: it fills within a minute, and each request takes one.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    per_minute: u32,
    trusted_proxies: Vec<IpAddr>,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    seen_at: Instant,
}

impl Limits {
    /// Limits of so many requests a minute for each address; 0 limits nothing.
    pub(crate) fn new(per_minute: u32, trusted_proxies: Vec<IpAddr>) -> Self {
        Self { per_minute, trusted_proxies, buckets: Mutex::default() }
    }

    /// Takes a token; answers how long to wait if there is none.
    fn take(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let full = f64::from(self.per_minute);
        let per_second = full / 60.0;
        let refilled = |bucket: &Bucket| {
            full.min(now.duration_since(bucket.seen_at).as_secs_f64().mul_add(per_second, bucket.tokens))
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MANY {
            buckets.retain(|_, bucket| refilled(bucket) < full);
        }
        let bucket = buckets.entry(client).or_insert(Bucket { tokens: full, seen_at: now });
        bucket.tokens = refilled(bucket);
        bucket.seen_at = now;
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / per_second));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    /// Takes a token of whoever made a request; answers how long to wait if there is none.
    pub(crate) fn admit(&self, Peer(peer): Peer, headers: &HeaderMap) -> Result<(), Duration> {
        self.take(self.client(peer.ip(), headers), Instant::now())
    }

    /// The address that asks: the peer, or, where that is one of our proxies, the last address in `X-Forwarded-For`
    /// that is none of them. Earlier ones anyone can write.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let values = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let mut forwarded: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
        while self.trusted_proxies.contains(&client) {
            let Some(before) = forwarded.pop().and_then(|text| text.parse::<IpAddr>().ok()) else { break };
            client = before.to_canonical();
        }
        match client {
            // A household has a whole network of this size.
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            IpAddr::V4(_) => client,
        }
    }
}

/// Answers 429 to an address that asks too often.
pub(crate) async fn per_address(State(app): State<App>, request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<Peer>>()
        && let Err(wait) = app.limits().admit(*peer, request.headers())
    {
        let problem =
            Problem::new(ErrorCode::RateLimited, "too many requests from your address; wait a moment");
        return ([(header::RETRY_AFTER, wait.as_secs() + 1)], problem).into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let limits = Limits::new(60, Vec::new());
        let start = Instant::now();
        let client = address("192.0.2.1");
        for _ in 0..60 {
            limits.take(client, start).unwrap();
        }
        assert!(limits.take(client, start).is_err());
        limits.take(address("192.0.2.2"), start).unwrap();
        limits.take(client, start + Duration::from_secs(1)).unwrap();
        assert!(limits.take(client, start + Duration::from_secs(1)).is_err());
    }

    #[test]
    fn only_our_proxies_are_believed() {
        let limits = Limits::new(1, vec![address("10.0.0.1"), address("10.0.0.2")]);
        let client = |peer: &str, forwarded: &str| {
            let headers =
                HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), forwarded.parse().unwrap())]);
            limits.client(address(peer), &headers)
        };
        assert_eq!(client("192.0.2.9", "192.0.2.1"), address("192.0.2.9"));
        assert_eq!(client("10.0.0.1", "198.51.100.1, 192.0.2.1"), address("192.0.2.1"));
        assert_eq!(client("10.0.0.1", "192.0.2.1, 10.0.0.2"), address("192.0.2.1"));
        assert_eq!(client("10.0.0.1", "nonsense"), address("10.0.0.1"));
        assert_eq!(client("::ffff:10.0.0.1", "2001:db8::1"), address("2001:db8::"));
    }
}
