//! Running the server: on loopback, in public, or as a demonstration.

use std::{
    fs,
    io::{self, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use handfast_broker::{ATTEMPT_LIFETIME, ApiKeyStore, EVENT_LIFETIME};
use handfast_protocol::Clock;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};
use url::Url;

use crate::{
    app::{App, Broker, Parts},
    config::{self, Config, Exposure, LogFormat},
    demo, http, issuer, key_file, refresher,
    storage::Storage,
    system::{SystemClock, SystemRandomness},
    token_client::TokenClient,
    webhooks,
    workers::{self, Peer, is_told},
};

/// How long requests in progress may take once the server is told to end. Longer than any answer that is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves until the process is told to end, then lets the requests in progress finish.
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    start_log(&config)?;
    for name in config::unknown_variables() {
        tracing::warn!(name, "the environment holds a variable that begins like a setting but is none");
    }
    let storage = open_storage(&config).await?.claimed()?;
    let has_key = has_api_key(&config, &storage).await?;
    if config.exposure() == Exposure::Public && !has_key {
        bail!(
            "the server would be reachable from other machines, so it needs an API key: make one with \
             `handfast key create --local`, or set HANDFAST_API_KEY_FILE or HANDFAST_API_KEY"
        );
    }

    let listener = Listeners::bind(config.listen).await?;
    let listening_on = listener.local_addr()?;
    let public_url = config.public_url_or(listening_on);
    let app = assemble(&config, &public_url, storage.clone()).await?;
    if config.demo {
        demo::register(&app).await.context("the demonstration cannot be set up")?;
    }
    if let Some(webhook) = config.webhook.clone() {
        let client = app.broker().token_endpoint.clone();
        tokio::spawn(webhooks::deliver(webhook, storage.clone(), client));
    }
    tokio::spawn(forget_old(storage));

    // The first line of output: programs that start the server read the address from it.
    let own_url = config::own_url(listening_on);
    writeln!(io::stdout(), "handfast is listening on {}", own_url.as_str().trim_end_matches('/'))?;
    issuer::introduce(&app, &config, has_key).await?;
    if public_url != own_url {
        tracing::info!(%public_url, "browsers reach the server there");
    }
    if config.exposure() == Exposure::Loopback {
        tracing::info!(
            "only programs of this machine can reach the server; API keys and connect tokens are optional"
        );
    }
    serve(&app, listener, config.refresh_idle_after).await?;
    tracing::info!("ended");
    Ok(())
}

/// Serves until the process is told to end; then lets finish what is in progress, also where its caller has gone away.
async fn serve(app: &App, listener: Listeners, refresh_idle_after: Option<Duration>) -> io::Result<()> {
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        told_to_end().await;
        // Fails where nobody listens any more.
        let _ = tell.send(true);
    });
    if let Some(idle_after) = refresh_idle_after {
        let (broker, told) = (Arc::clone(app.broker()), told.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = refresher::keep_alive(broker, idle_after) => {}
                () = is_told(told) => {}
            }
        });
    }
    let serving = async {
        let (router, told) = (http::router(app), told.clone());
        if app.is_embedded() {
            workers::serve(&router, listener, told).await?;
        } else {
            // The sockets of a database belong to the runtime that opened them, so here the threads share one.
            let service = router.into_make_service_with_connect_info::<Peer>();
            axum::serve(listener, service).with_graceful_shutdown(is_told(told)).await?;
        }
        app.broker().settled().await;
        Ok(())
    };
    let out_of_patience = async {
        is_told(told.clone()).await;
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        served = serving => served,
        () = out_of_patience => {
            tracing::warn!("some requests did not finish in time");
            Ok(())
        }
    }
}

/// Opens the database that the configuration names.
pub(crate) async fn open_storage(config: &Config) -> anyhow::Result<Storage> {
    create_folder(&config.data_dir)?;
    let storage =
        Storage::open(config.database_url.expose()).await.context("the database cannot be opened")?;
    Ok(if config.webhook.is_some() { storage.delivering_events() } else { storage })
}

/// Puts the application together.
pub(crate) async fn assemble(config: &Config, public_url: &Url, storage: Storage) -> anyhow::Result<App> {
    let keyring = key_file::load(config, &storage).await?;
    let policy = config.policy(public_url.clone());
    let token_client = TokenClient::new(policy.danger_allow_private_addresses);
    let issuer = issuer::start(config, public_url, &storage, &token_client, &keyring).await?;
    let adapters = (token_client, SystemClock, SystemRandomness);
    let mut catalog = config.catalog()?;
    if let Some(issuer) = issuer.as_ref().filter(|_| config.demo) {
        demo::add_provider(&mut catalog, &issuer.settings().issuer())?;
    }
    let broker = Broker::new(storage.clone(), catalog.into(), keyring, policy, adapters);
    let mut parts = Parts::new(config, storage, broker);
    parts.issuer = issuer;
    parts.issuer_rules = config.issuer.rules(config.demo, &config.trusted_proxies)?;
    Ok(App::new(parts))
}

/// Whether anybody could be let in.
pub(crate) async fn has_api_key(config: &Config, storage: &Storage) -> anyhow::Result<bool> {
    let now = SystemClock.now();
    Ok(config.api_key.is_some() || storage.api_keys().await?.iter().any(|key| key.is_active(now)))
}

/// Forgets attempts once nobody can ask for them any more, connect tokens that have expired, and old events.
async fn forget_old(storage: Storage) {
    let mut ticks = tokio::time::interval(ATTEMPT_LIFETIME / 10);
    loop {
        ticks.tick().await;
        let now = SystemClock.now();
        let forgotten = async {
            storage.purge_attempts(now - ATTEMPT_LIFETIME).await?;
            storage.purge_connect_tokens(now).await?;
            storage.purge_events(now - EVENT_LIFETIME).await
        };
        if let Err(error) = forgotten.await {
            tracing::warn!(error = &error as &dyn std::error::Error, "old rows could not be forgotten");
        }
    }
}

fn start_log(config: &Config) -> anyhow::Result<()> {
    let filter: Targets = config.log.parse().with_context(|| {
        format!("log: {:?} is not a filter such as \"info\" or \"warn,handfast=debug\"", config.log)
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let log = tracing_subscriber::registry().with(filter);
    match config.log_format {
        LogFormat::Text => log.with(lines).init(),
        LogFormat::Json => log.with(lines.json()).init(),
    }
    Ok(())
}

/// Creates the data folder for its owner alone.
pub(crate) fn create_folder(path: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).with_context(|| format!("{} cannot be created", path.display()))
}

/// One port on one address, and for IPv4 loopback also on IPv6 loopback: some programs ask for `localhost` there first.
pub(crate) struct Listeners {
    main: TcpListener,
    second: Option<TcpListener>,
}

impl Listeners {
    async fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let main = TcpListener::bind(address).await.with_context(|| {
            format!("{address} cannot be listened on; choose another port with --port, or 0 for a free one")
        })?;
        let second = if address.ip() == Ipv4Addr::LOCALHOST {
            TcpListener::bind((Ipv6Addr::LOCALHOST, main.local_addr()?.port())).await.ok()
        } else {
            None
        };
        Ok(Self { main, second })
    }
}

impl Connected<IncomingStream<'_, Listeners>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listeners>) -> Self {
        Self(*stream.remote_addr())
    }
}

impl Listener for Listeners {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        match &mut self.second {
            None => Listener::accept(&mut self.main).await,
            Some(second) => tokio::select! {
                accepted = Listener::accept(&mut self.main) => accepted,
                accepted = Listener::accept(second) => accepted,
            },
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.main.local_addr()
    }
}

/// Waits for Ctrl-C or, on Unix, for SIGTERM.
async fn told_to_end() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
    tracing::info!("ending: requests in progress may finish");
}
