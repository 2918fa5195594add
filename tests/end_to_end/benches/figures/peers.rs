//! What the server is measured beside, each a program of its own.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use anyhow::Context;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::json;
use xtask::program::{self, Running};

/// A peer that runs until this is dropped.
pub(crate) struct Peer {
    url: String,
    running: Running,
}

impl Peer {
    /// This program, as the peer that the arguments name.
    pub(crate) fn of_this_program(arguments: &[&str]) -> anyhow::Result<Self> {
        Self::start(program::bound_to_us(std::env::current_exe()?).args(arguments))
    }

    /// A program that prints its address when it listens.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut running = Running::start(command.stdout(Stdio::piped()))?;
        let output = running.child().stdout.take().context("its output was asked for")?;
        let url = BufReader::new(output).lines().next().context("the peer ended")??;
        Ok(Self { url, running })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn process_id(&mut self) -> u32 {
        self.running.child().id()
    }

    /// This peer as the provider of the benchmark.
    pub(crate) fn as_catalogue_entry(&self) -> String {
        format!(
            "danger_allow_private_addresses = true\n\n[providers.bench]\ndisplay_name = \"Bench\"\n\
             authorization_endpoint = \"{0}/authorize\"\ntoken_endpoint = \"{0}/token\"\nevidence = \"documentation\"\n",
            self.url
        )
    }
}

async fn serve(router: Router) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}

/// The simplest thing that could answer: the same bytes, from memory.
pub(crate) async fn answer_from_memory(body: &str) -> anyhow::Result<()> {
    let body = body.to_owned();
    let answer = async move || ([(header::CONTENT_TYPE, "application/json")], body.clone());
    serve(Router::new().route("/", get(answer))).await
}

/// A bare `SELECT` by key on the server's own table.
pub(crate) async fn answer_from_select(database: &str) -> anyhow::Result<()> {
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(10).connect(database).await?;
    serve(Router::new().route("/{connection_id}", get(select)).with_state(pool)).await
}

async fn select(State(pool): State<sqlx::PgPool>, Path(connection_id): Path<String>) -> impl IntoResponse {
    const SQL: &str = "SELECT sealed_credentials FROM connections WHERE \
        integration_id = (SELECT id FROM integrations WHERE config_key = $1) AND connection_id = $2";
    let found: Result<Option<(Vec<u8>,)>, _> =
        sqlx::query_as(SQL).bind(crate::dance::CONFIG_KEY).bind(connection_id).fetch_optional(&pool).await;
    match found {
        Ok(Some((bytes,))) => bytes.into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// A provider's token endpoint that always grants.
pub(crate) async fn answer_token_requests() -> anyhow::Result<()> {
    let answer = async || {
        Json(json!({
            "access_token": "a".repeat(64), "token_type": "Bearer", "refresh_token": "r".repeat(64),
            "expires_in": 86_400, "scope": "read",
        }))
    };
    serve(Router::new().route("/token", post(answer))).await
}
