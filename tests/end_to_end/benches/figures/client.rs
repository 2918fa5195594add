//! A client that costs little beside the server it measures: HTTP/1.1 on kept connections, requests written ahead.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use url::Url;

/// A server and the requests that are made to it.
#[derive(Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    requests: std::sync::Arc<Vec<Vec<u8>>>,
}

impl Target {
    /// `GET`s of these paths.
    pub(crate) fn new(url: &str, paths: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let (address, host) = address_of(url)?;
        let requests = paths.map(|path| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes());
        Ok(Self { address, requests: requests.collect::<Vec<_>>().into() })
    }
}

/// Where a URL leads, and what the `Host` header says.
pub(crate) fn address_of(url: &str) -> anyhow::Result<(SocketAddr, String)> {
    let url = Url::parse(url)?;
    let addresses = url.socket_addrs(|| None)?;
    let address = addresses.into_iter().find(SocketAddr::is_ipv4).context("an IPv4 address")?;
    Ok((address, url.authority().to_owned()))
}

/// Requests per second, made at random by this many clients for this long.
pub(crate) async fn rate(target: &Target, clients: usize, length: Duration) -> anyhow::Result<f64> {
    let began_at = Instant::now();
    let mut asking = JoinSet::new();
    for client in 0..clients {
        let target = target.clone();
        asking.spawn(async move {
            let mut connection = Connection::open(target.address).await?;
            let mut random = 0x9e37_79b9_7f4a_7c15 ^ (client as u64 + 1);
            let mut answers = 0_u32;
            while began_at.elapsed() < length {
                // Xorshift: any spread will do.
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let choice = usize::try_from(random % target.requests.len() as u64)?;
                connection.ask(&target.requests[choice]).await?;
                answers += 1;
            }
            anyhow::Ok(answers)
        });
    }
    let mut answers = 0;
    while let Some(more) = asking.join_next().await {
        answers += more??;
    }
    Ok(f64::from(answers) / began_at.elapsed().as_secs_f64())
}

/// One kept connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and reads the whole answer, which must not be an error: its head and its body.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<(&str, &[u8])> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let mut whole = None;
        while whole.is_none_or(|(_, end)| self.buffer.len() < end) {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the server closed the connection");
            if whole.is_none() {
                whole = extent(&self.buffer)?;
            }
        }
        let (head, end) = whole.context("an answer has an end")?;
        let (head, body) = (std::str::from_utf8(&self.buffer[..head])?, &self.buffer[head..end]);
        ensure!(
            ["HTTP/1.1 2", "HTTP/1.1 3"].iter().any(|good| head.starts_with(good)),
            "{head}{}",
            String::from_utf8_lossy(body)
        );
        Ok((head, body))
    }

    /// The same for an answer whose body is text.
    pub(crate) async fn ask_for_text(&mut self, request: &[u8]) -> anyhow::Result<(&str, &str)> {
        let (head, body) = self.ask(request).await?;
        Ok((head, std::str::from_utf8(body)?))
    }
}

/// Where the head of an answer ends, and where its body does.
fn extent(buffer: &[u8]) -> anyhow::Result<Option<(usize, usize)>> {
    let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = head + 4;
    let text = std::str::from_utf8(&buffer[..head])?.to_ascii_lowercase();
    let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let length: usize = length.context("an answer says how long it is")?.parse()?;
    Ok(Some((head, head + length)))
}
