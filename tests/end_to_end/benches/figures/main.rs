//! How fast and how small the product is, beside the simplest thing that could answer: `cargo xtask bench`.
//!
//! Everything runs on loopback, every comparison is interleaved in one run, and each figure is the median of five rounds.

mod client;
mod dance;
mod flows;
mod peers;
#[path = "../../../../crates/server/tests/support/postgres.rs"]
mod postgres;
mod report;

use std::time::{Duration, Instant};

use anyhow::Context;
use end_to_end::handfast::{Handfast, Settings, built};

use crate::{
    client::{Target, rate},
    dance::Dancer,
    peers::Peer,
    report::Report,
};

/// How many connections are stored, and read at random.
const CONNECTIONS: usize = 10_000;
/// How many clients ask at once.
const CLIENTS: usize = 32;
const ROUNDS: usize = 5;
/// How long one measurement of one round takes.
const ROUND: Duration = Duration::from_secs(2);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // What `#[tokio::main]` gives a program that says nothing else.
    let usual = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match words.as_slice() {
        ["memory", body] => usual()?.block_on(peers::answer_from_memory(body)),
        ["select", database] => usual()?.block_on(peers::answer_from_select(database)),
        ["provider"] => runtime.block_on(peers::answer_token_requests()),
        ["issuers", ..] => runtime.block_on(bench_issuers()),
        // Cargo says `--bench`.
        _ => runtime.block_on(bench()),
    }
}

/// The server with one of its databases, and what is measured on it.
struct Subject {
    name: &'static str,
    server: Handfast,
    dances: Vec<f64>,
    reads: Vec<f64>,
    refreshes: Vec<f64>,
    idle_memory: Option<u64>,
}

impl Subject {
    async fn start(name: &'static str, database: Option<&str>, provider: &Peer) -> anyhow::Result<Self> {
        let mut settings = Settings::new()
            // A line for each request would measure the log.
            .variable("HANDFAST_LOG", "warn")
            .configuration(&provider.as_catalogue_entry());
        if let Some(database) = database {
            settings = settings.variable("HANDFAST_DATABASE_URL", database);
        }
        let mut server = settings.start("127.0.0.1")?;
        let idle_memory = server.memory();
        server.command(&["config", "create", dance::CONFIG_KEY, "bench", "client", "secret", "read"])?;
        let mut subject =
            Self { name, server, dances: Vec::new(), reads: Vec::new(), refreshes: Vec::new(), idle_memory };
        subject.fill().await?;
        Ok(subject)
    }

    /// Makes the connections, each by the whole dance; every fifth part of them is one round.
    async fn fill(&mut self) -> anyhow::Result<()> {
        println!("{}: making {CONNECTIONS} connections", self.name);
        for round in 0..ROUNDS {
            let size = CONNECTIONS / ROUNDS;
            let numbers = round * size..(round + 1) * size;
            let began_at = Instant::now();
            dance::many(self.server.url(), numbers, CLIENTS).await?;
            self.dances.push(f64::from(u32::try_from(size)?) / began_at.elapsed().as_secs_f64());
        }
        Ok(())
    }

    fn reading(&self, query: &str) -> anyhow::Result<Target> {
        let key = dance::CONFIG_KEY;
        let paths =
            (0..CONNECTIONS).map(|number| format!("/connections/user-{number}?config_key={key}{query}"));
        Target::new(self.server.url(), paths)
    }
}

async fn bench() -> anyhow::Result<()> {
    let provider = Peer::of_this_program(&["provider"])?;
    let database = postgres::new_database();
    let mut sqlite = Subject::start("SQLite", None, &provider).await?;
    let mut postgres = Subject::start("PostgreSQL", Some(&database), &provider).await?;

    let body =
        Dancer::connect(sqlite.server.url()).await?.body("/connections/user-1?config_key=bench").await?;
    let memory = Peer::of_this_program(&["memory", &body])?;
    let select = Peer::of_this_program(&["select", &database])?;
    let of_memory = Target::new(memory.url(), std::iter::once("/".to_owned()))?;
    let of_select = Target::new(select.url(), (0..CONNECTIONS).map(|number| format!("/user-{number}")))?;
    let (mut from_memory, mut from_select) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        println!("round {round} of {ROUNDS}");
        from_memory.push(rate(&of_memory, CLIENTS, ROUND).await?);
        sqlite.reads.push(rate(&sqlite.reading("")?, CLIENTS, ROUND).await?);
        postgres.reads.push(rate(&postgres.reading("")?, CLIENTS, ROUND).await?);
        from_select.push(rate(&of_select, CLIENTS, ROUND).await?);
        sqlite.refreshes.push(rate(&sqlite.reading("&force_refresh=true")?, CLIENTS, ROUND).await?);
        postgres.refreshes.push(rate(&postgres.reading("&force_refresh=true")?, CLIENTS, ROUND).await?);
    }

    let mut report = Report::default();
    report.rate("reads from memory, bare axum", &from_memory);
    report.rate("reads by a bare SELECT, PostgreSQL", &from_select);
    for subject in [&sqlite, &postgres] {
        report.rate(&format!("sealed token reads, {}", subject.name), &subject.reads);
    }
    report.ratio("SQLite reads to bare axum", &sqlite.reads, &from_memory, 0.6);
    report.ratio("PostgreSQL reads to a bare SELECT", &postgres.reads, &from_select, 0.8);
    for subject in [&sqlite, &postgres] {
        report.rate(&format!("whole dances, {}", subject.name), &subject.dances);
        report.rate(&format!("refreshes, {}", subject.name), &subject.refreshes);
    }
    for subject in [&mut sqlite, &mut postgres] {
        let loaded = subject.server.memory();
        report.megabytes(&format!("memory idle, {}", subject.name), subject.idle_memory, 15.0);
        report.megabytes(&format!("memory after load, {}", subject.name), loaded, 40.0);
    }
    flows::measure(&mut report).await?;
    let starts = (0..ROUNDS).map(|_| {
        let server = Settings::new().start("127.0.0.1")?;
        Ok(server.to_first_answer().as_secs_f64() * 1000.0)
    });
    report.milliseconds("start to first answer", &starts.collect::<anyhow::Result<Vec<_>>>()?, 50.0);
    let size = std::fs::metadata(built("handfast")?).context("the program is built")?.len();
    report.megabytes("size of the program", Some(size), 20.0);
    report.publish()
}

/// The authorization servers alone: `cargo bench --workspace --bench figures -- issuers`.
async fn bench_issuers() -> anyhow::Result<()> {
    let mut report = Report::default();
    flows::measure(&mut report).await?;
    report.publish()
}
