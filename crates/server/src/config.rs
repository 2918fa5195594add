//! The server's settings: command line over environment over one TOML file over defaults.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use handfast_broker::{
    Catalog, Policy, Provider, WebhookKey, is_loopback_url, parse_origins, parse_return_to,
};
use handfast_protocol::Secret;
use serde::{Deserialize, Deserializer};
use url::Url;

use crate::{
    issuer::{self, IssuerConfig},
    webhooks::Webhook,
};

/// The port where nothing else is said; the one Pizzly's guide names.
const DEFAULT_PORT: u16 = 3004;

/// How often one client address may ask the routes for browsers, unless the configuration says otherwise. An office
/// shares one address.
const REQUESTS_PER_MINUTE: u32 = 600;

/// The shortest API key that may be set: what 128 random bits take as base64url.
const MIN_API_KEY_LEN: usize = 22;

/// What the command line says. Each value wins over environment and file.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file [default: handfast.toml in the data folder, if it is there]
    #[arg(long, value_name = "FILE", env = "HANDFAST_CONFIG")]
    config: Option<PathBuf>,
    /// Where database and keys are kept [default: the user's data folder]
    #[arg(long, value_name = "FOLDER", env = "HANDFAST_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

/// What `serve` adds to them.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ListenArgs {
    /// The port to listen on; 0 picks a free one [default: 3004]
    #[arg(long)]
    port: Option<u16>,
    /// The address to listen on, such as 0.0.0.0:3004 [default: 127.0.0.1:3004]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "port")]
    listen: Option<SocketAddr>,
    /// Everything ready to be tried: an authorization server with a login page, and an integration named demo
    #[arg(long)]
    demo: bool,
}

/// The TOML file. Every key may be left out; an unknown one is refused.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    listen: Option<SocketAddr>,
    public_url: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    database_url: Option<Secret<String>>,
    database_url_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "secret")]
    api_key: Option<Secret<String>>,
    api_key_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "secret")]
    sealing_keys: Option<Secret<String>>,
    sealing_keys_file: Option<PathBuf>,
    allowed_origins: Option<Vec<String>>,
    allowed_return_to: Option<Vec<String>>,
    allowed_hosts: Option<Vec<String>>,
    callback_url: Option<String>,
    trusted_proxies: Option<Vec<String>>,
    requests_per_minute: Option<u32>,
    refresh_idle_after: Option<u32>,
    log: Option<String>,
    log_format: Option<String>,
    webhook_url: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    webhook_secret: Option<Secret<String>>,
    webhook_secret_file: Option<PathBuf>,
    danger_allow_private_addresses: Option<bool>,
    #[serde(default)]
    providers: BTreeMap<String, Provider>,
    #[serde(default)]
    issuer: IssuerConfig,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret<String>>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

/// The settings in force.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    /// Where browsers reach the server; by default the loopback address it listens on.
    pub(crate) public_url: Option<Url>,
    pub(crate) data_dir: PathBuf,
    /// `sqlite:..` or `postgres://..`, by default a file in the data folder.
    pub(crate) database_url: Secret<String>,
    /// A key with every scope, which needs no row in the database.
    pub(crate) api_key: Option<Secret<String>>,
    /// The text of a key file, where it does not lie in the data folder.
    pub(crate) sealing_keys: Option<Secret<String>>,
    pub(crate) allowed_origins: Vec<String>,
    /// Exact addresses that redirect mode may go back to for integrations that list none.
    pub(crate) allowed_return_to: Vec<String>,
    /// Where providers send browsers back to, if not below `public_url`.
    pub(crate) callback_url: Option<Url>,
    /// Names, with or without a port, under which the server answers besides its `public_url` and loopback.
    pub(crate) allowed_hosts: Vec<String>,
    /// Whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<IpAddr>,
    /// How often one client address may ask the routes for browsers; 0 is without a limit.
    pub(crate) requests_per_minute: Option<u32>,
    /// How long a token may be due without anybody asking for it before it is renewed all the same; `None`: for ever.
    pub(crate) refresh_idle_after: Option<Duration>,
    /// A filter such as `info` or `handfast=debug`.
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    /// Where events are delivered, if anywhere.
    pub(crate) webhook: Option<Webhook>,
    pub(crate) danger_allow_private_addresses: bool,
    pub(crate) providers: BTreeMap<String, Provider>,
    pub(crate) demo: bool,
    pub(crate) issuer: IssuerConfig,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Who can reach the server, which decides what it demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Programs of this machine only: API key and connect token are optional.
    Loopback,
    /// Anyone: both are required.
    Public,
}

/// The variables by which the environment sets what the file can set too. `HANDFAST_HOST` is the client's.
const VARIABLES: &[&str] = &[
    "HANDFAST_CONFIG",
    "HANDFAST_DATA_DIR",
    "HANDFAST_LISTEN",
    "HANDFAST_PUBLIC_URL",
    "HANDFAST_DATABASE_URL",
    "HANDFAST_DATABASE_URL_FILE",
    "HANDFAST_API_KEY",
    "HANDFAST_API_KEY_FILE",
    "HANDFAST_SEALING_KEYS",
    "HANDFAST_SEALING_KEYS_FILE",
    "HANDFAST_ALLOWED_ORIGINS",
    "HANDFAST_ALLOWED_RETURN_TO",
    "HANDFAST_ALLOWED_HOSTS",
    "HANDFAST_CALLBACK_URL",
    "HANDFAST_TRUSTED_PROXIES",
    "HANDFAST_REQUESTS_PER_MINUTE",
    "HANDFAST_REFRESH_IDLE_AFTER",
    "HANDFAST_LOG",
    "HANDFAST_LOG_FORMAT",
    "HANDFAST_WEBHOOK_URL",
    "HANDFAST_WEBHOOK_SECRET",
    "HANDFAST_WEBHOOK_SECRET_FILE",
    "HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES",
    "HANDFAST_HOST",
];

impl Config {
    /// Reads file and environment.
    pub(crate) fn load(args: &ConfigArgs, listen: &ListenArgs) -> anyhow::Result<Self> {
        let environment =
            Environment(std::env::vars().filter(|(name, _)| name.starts_with("HANDFAST_")).collect());
        Self::from_parts(args, listen, &environment)
    }

    fn from_parts(args: &ConfigArgs, listen: &ListenArgs, environment: &Environment) -> anyhow::Result<Self> {
        let mut data_dir = match &args.data_dir {
            Some(folder) => folder.clone(),
            None => default_data_dir()?,
        };
        let file = read_file(args.config.as_deref(), &data_dir)?;
        if listen.demo {
            // A demonstration never touches what was set up in earnest.
            data_dir.push("demo");
        }

        let mut address = match environment.text("HANDFAST_LISTEN")? {
            Some(text) => Some(text.parse().with_context(|| {
                format!("HANDFAST_LISTEN: {text:?} is not an address with a port, such as 127.0.0.1:3004")
            })?),
            None => file.listen,
        }
        .unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)));
        if let Some(given) = listen.listen {
            address = given;
        }
        if let Some(port) = listen.port {
            address.set_port(port);
        }

        let public_url = environment.text("HANDFAST_PUBLIC_URL")?.or(file.public_url);
        let database_url = environment
            .secret("HANDFAST_DATABASE_URL", file.database_url, file.database_url_file.as_deref())?
            .unwrap_or_else(|| Secret::new(sqlite_url(&data_dir.join("handfast.db"))));
        let allowed_origins = environment.list("HANDFAST_ALLOWED_ORIGINS")?.or(file.allowed_origins);
        let allowed_return_to = environment.list("HANDFAST_ALLOWED_RETURN_TO")?.or(file.allowed_return_to);
        let callback_url = environment.text("HANDFAST_CALLBACK_URL")?.or(file.callback_url);
        let config = Self {
            listen: address,
            public_url: public_url.map(|text| parse_own_url("public_url", &text)).transpose()?,
            data_dir,
            database_url,
            api_key: environment.secret("HANDFAST_API_KEY", file.api_key, file.api_key_file.as_deref())?,
            sealing_keys: environment.secret(
                "HANDFAST_SEALING_KEYS",
                file.sealing_keys,
                file.sealing_keys_file.as_deref(),
            )?,
            allowed_origins: parse_origins(&allowed_origins.unwrap_or_default())?,
            allowed_return_to: parse_return_to(&allowed_return_to.unwrap_or_default())?,
            callback_url: callback_url.map(|text| parse_own_url("callback_url", &text)).transpose()?,
            allowed_hosts: environment
                .list("HANDFAST_ALLOWED_HOSTS")?
                .or(file.allowed_hosts)
                .unwrap_or_default(),
            trusted_proxies: parse_addresses(
                &environment.list("HANDFAST_TRUSTED_PROXIES")?.or(file.trusted_proxies).unwrap_or_default(),
            )?,
            requests_per_minute: environment
                .number("HANDFAST_REQUESTS_PER_MINUTE")?
                .or(file.requests_per_minute),
            refresh_idle_after: environment
                .number("HANDFAST_REFRESH_IDLE_AFTER")?
                .or(file.refresh_idle_after)
                .filter(|seconds| *seconds > 0)
                .map(|seconds| Duration::from_secs(seconds.into())),
            log: environment.text("HANDFAST_LOG")?.or(file.log).unwrap_or_else(|| "info".to_owned()),
            log_format: parse_log_format(
                environment.text("HANDFAST_LOG_FORMAT")?.or(file.log_format).as_deref(),
            )?,
            webhook: parse_webhook(
                environment.text("HANDFAST_WEBHOOK_URL")?.or(file.webhook_url).as_deref(),
                environment
                    .secret(
                        "HANDFAST_WEBHOOK_SECRET",
                        file.webhook_secret,
                        file.webhook_secret_file.as_deref(),
                    )?
                    .as_ref(),
            )?,
            danger_allow_private_addresses: match environment
                .flag("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES")?
            {
                Some(flag) => flag,
                None => file.danger_allow_private_addresses.unwrap_or(listen.demo),
            },
            providers: file.providers,
            demo: listen.demo,
            issuer: file
                .issuer
                .over(|name| environment.0.get(name).filter(|value| !value.is_empty()).cloned())?,
        };
        config.check()?;
        Ok(config)
    }

    /// What does not fit together.
    fn check(&self) -> anyhow::Result<()> {
        if let Some(key) = &self.api_key {
            let visible = key.expose().bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
            if key.expose().len() < MIN_API_KEY_LEN || !visible {
                bail!(
                    "api_key must be at least {MIN_API_KEY_LEN} visible ASCII characters without a colon; \
                     draw one with `openssl rand -hex 32`"
                );
            }
        }
        if self.exposure() == Exposure::Loopback {
            return Ok(());
        }
        if self.demo {
            bail!("the demonstration runs on loopback only; leave out listen and public_url");
        }
        if self.public_url.is_none() {
            bail!(
                "the server would be reachable from other machines, so it has to know its own address: \
                 set public_url (HANDFAST_PUBLIC_URL), such as https://connect.example.com"
            );
        }
        Ok(())
    }

    /// Who can reach the server: a loopback listener behind a public name is public too.
    pub(crate) fn exposure(&self) -> Exposure {
        let named_public = self.public_url.as_ref().is_some_and(|url| !is_loopback_url(url));
        if self.listen.ip().is_loopback() && !named_public { Exposure::Loopback } else { Exposure::Public }
    }

    /// The `public_url`, or the loopback address that takes its place.
    pub(crate) fn public_url_or(&self, listening_on: SocketAddr) -> Url {
        self.public_url.clone().unwrap_or_else(|| own_url(listening_on))
    }

    /// How often one client address may ask the routes for browsers. On loopback every client has one address, and
    /// all of them are this machine's own.
    pub(crate) fn rate_limit(&self) -> u32 {
        let usual = if self.exposure() == Exposure::Public { REQUESTS_PER_MINUTE } else { 0 };
        self.requests_per_minute.unwrap_or(usual)
    }

    /// The broker's rules that follow.
    pub(crate) fn policy(&self, public_url: Url) -> Policy {
        let public = self.exposure() == Exposure::Public;
        Policy {
            public_url,
            callback_url: self.callback_url.clone(),
            allowed_origins: self.allowed_origins.clone(),
            allowed_return_to: self.allowed_return_to.clone(),
            loopback_origins: !public,
            connect_tokens_required: public,
            danger_allow_private_addresses: self.danger_allow_private_addresses,
        }
    }

    /// The built-in providers and the configuration's private ones.
    pub(crate) fn catalog(&self) -> anyhow::Result<Catalog> {
        Ok(Catalog::embedded().clone().with(self.providers.clone())?)
    }

    /// The settings with their values, secrets hidden: what `check` prints.
    pub(crate) fn effective(&self) -> Vec<(&'static str, String)> {
        let hidden =
            |secret: Option<&Secret<String>>| if secret.is_some() { "(set)" } else { "(not set)" }.to_owned();
        let list =
            |values: &[String]| if values.is_empty() { "(none)".to_owned() } else { values.join(", ") };
        let database = Url::parse(self.database_url.expose()).map_or_else(
            |_| self.database_url.expose().clone(),
            |mut url| {
                // Neither fails on a URL with a host; without one there is nothing to hide.
                let _ = url.set_password(url.password().is_some().then_some("hidden"));
                url.set_query(None);
                url.to_string()
            },
        );
        vec![
            ("listen", self.listen.to_string()),
            ("public_url", self.public_url_or(self.listen).to_string()),
            ("data_dir", self.data_dir.display().to_string()),
            ("database_url", database),
            ("api_key", hidden(self.api_key.as_ref())),
            (
                "sealing_keys",
                if self.sealing_keys.is_some() { "(set)" } else { "a file in data_dir" }.to_owned(),
            ),
            ("allowed_origins", list(&self.allowed_origins)),
            ("allowed_return_to", list(&self.allowed_return_to)),
            ("allowed_hosts", list(&self.allowed_hosts)),
            (
                "callback_url",
                self.callback_url.as_ref().map_or_else(|| "(below public_url)".to_owned(), Url::to_string),
            ),
            (
                "trusted_proxies",
                list(&self.trusted_proxies.iter().map(IpAddr::to_string).collect::<Vec<_>>()),
            ),
            ("requests_per_minute", self.rate_limit().to_string()),
            (
                "refresh_idle_after",
                self.refresh_idle_after
                    .map_or_else(|| "0 (never)".to_owned(), |idle| idle.as_secs().to_string()),
            ),
            ("log", self.log.clone()),
            ("log_format", format!("{:?}", self.log_format).to_lowercase()),
            (
                "webhook_url",
                self.webhook.as_ref().map_or("(none)".to_owned(), |webhook| webhook.url.to_string()),
            ),
            ("danger_allow_private_addresses", self.danger_allow_private_addresses.to_string()),
            ("providers", list(&self.providers.keys().cloned().collect::<Vec<_>>())),
        ]
    }
}

/// The URL of a database file, whatever characters its path holds.
fn sqlite_url(path: &Path) -> String {
    let path = path.display().to_string();
    // In such a URL these two mean something.
    format!("sqlite:{}", path.replace('%', "%25").replace('?', "%3F"))
}

/// A listener's address as people type it.
pub(crate) fn own_url(listening_on: SocketAddr) -> Url {
    let by_name = matches!(listening_on.ip().to_string().as_str(), "127.0.0.1" | "::1");
    let address =
        if by_name { format!("localhost:{}", listening_on.port()) } else { listening_on.to_string() };
    Url::parse(&format!("http://{address}")).expect("an address with a port stands in a URL")
}

/// Variables that begin like ours but are none of them: a typing mistake, or something an orchestrator adds.
pub(crate) fn unknown_variables() -> Vec<String> {
    let ours = |name: &String| {
        name.starts_with("HANDFAST_") && ![VARIABLES, issuer::VARIABLES].concat().contains(&name.as_str())
    };
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(ours).collect()
}

/// The variables of the process that begin with `HANDFAST_`. An empty one counts as not set.
struct Environment(BTreeMap<String, String>);

impl Environment {
    #[expect(clippy::unnecessary_wraps, reason = "the readers of one table have one shape")]
    fn text(&self, name: &str) -> anyhow::Result<Option<String>> {
        Ok(self.0.get(name).filter(|value| !value.is_empty()).cloned())
    }

    fn list(&self, name: &str) -> anyhow::Result<Option<Vec<String>>> {
        let split = |text: String| {
            text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
        };
        Ok(self.text(name)?.map(split))
    }

    fn number(&self, name: &str) -> anyhow::Result<Option<u32>> {
        let parse = |text: String| {
            text.parse().with_context(|| format!("{name}: {text:?} is not a whole number, or too large"))
        };
        self.text(name)?.map(parse).transpose()
    }

    fn flag(&self, name: &str) -> anyhow::Result<Option<bool>> {
        match self.text(name)?.as_deref() {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => bail!("{name}: {other:?} is neither true nor false"),
        }
    }

    /// A secret from the variable, from the file that `.._FILE` names, or from the configuration file.
    fn secret(
        &self,
        name: &str,
        in_file: Option<Secret<String>>,
        file_of_file: Option<&Path>,
    ) -> anyhow::Result<Option<Secret<String>>> {
        let path_name = format!("{name}_FILE");
        let by_path = self.text(&path_name)?.map(PathBuf::from);
        let key = name.trim_start_matches("HANDFAST_").to_lowercase();
        match (self.text(name)?, by_path) {
            (Some(_), Some(_)) => bail!("{name} and {path_name} are both set; keep one"),
            (Some(text), None) => Ok(Some(Secret::new(text))),
            (None, Some(path)) => read_secret(&path_name, &path).map(Some),
            (None, None) => match (in_file, file_of_file) {
                (Some(_), Some(_)) => bail!("{key} and {key}_file are both set; keep one"),
                (Some(secret), None) => Ok(Some(secret)),
                (None, Some(path)) => read_secret(&format!("{key}_file"), path).map(Some),
                (None, None) => Ok(None),
            },
        }
    }
}

fn read_secret(setting: &str, path: &Path) -> anyhow::Result<Secret<String>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("{setting}: {} cannot be read", path.display()))?;
    let text = text.trim();
    if text.is_empty() {
        bail!("{setting}: {} is empty", path.display());
    }
    Ok(Secret::new(text.to_owned()))
}

fn read_file(given: Option<&Path>, data_dir: &Path) -> anyhow::Result<ConfigFile> {
    let path = given.map_or_else(|| data_dir.join("handfast.toml"), Path::to_owned);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if given.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(ConfigFile::default());
        }
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
    };
    parse_file(&text).with_context(|| format!("{} is not a configuration", path.display()))
}

/// Reads the file. What a parser says about a mistake may quote the line, and the line may hold a secret: only its
/// sentence and its place are kept.
fn parse_file(text: &str) -> anyhow::Result<ConfigFile> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let line =
            error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        anyhow::anyhow!("line {line}: {}", error.message())
    })
}

fn parse_own_url(name: &str, text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text).with_context(|| format!("{name}: {text:?} is not an address"))?;
    let plain = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback_url(&url));
    if !plain || !safe || url.host().is_none() {
        bail!(
            "{name}: {text:?} must be an https address such as https://connect.example.com (http only on loopback)"
        );
    }
    Ok(url)
}

fn parse_addresses(texts: &[String]) -> anyhow::Result<Vec<IpAddr>> {
    let parse = |text: &String| {
        let address = text.parse::<IpAddr>();
        address.with_context(|| format!("trusted_proxies: {text:?} is not an IP address"))
    };
    texts.iter().map(parse).collect()
}

fn parse_webhook(url: Option<&str>, secret: Option<&Secret<String>>) -> anyhow::Result<Option<Webhook>> {
    let (Some(url), Some(secret)) = (url, secret) else {
        if url.is_some() || secret.is_some() {
            bail!("webhook_url and webhook_secret belong together; set both or none");
        }
        return Ok(None);
    };
    let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.context("webhook_url: it must be an address such as https://app.example.com/webhooks")?;
    let key = WebhookKey::parse(secret).context(
        "webhook_secret: it must be whsec_ and 24 to 64 random bytes in base64; draw one with \
         `echo whsec_$(openssl rand -base64 32)`",
    )?;
    Ok(Some(Webhook { url, key }))
}

fn parse_log_format(text: Option<&str>) -> anyhow::Result<LogFormat> {
    match text {
        None | Some("text") => Ok(LogFormat::Text),
        Some("json") => Ok(LogFormat::Json),
        Some(other) => bail!("log_format: {other:?} is neither \"text\" nor \"json\""),
    }
}

/// The user's data folder, as the system's customs have it.
fn default_data_dir() -> anyhow::Result<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || folder("HOME");
    let base = if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Application Support"))
    } else if cfg!(windows) {
        folder("LOCALAPPDATA")
    } else {
        folder("XDG_DATA_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| home().map(|home| home.join(".local/share")))
    };
    Ok(base
        .context("there is no home folder to keep data in; name a folder with HANDFAST_DATA_DIR")?
        .join("handfast"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, variables: &[(&str, &str)], listen: &ListenArgs) -> anyhow::Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("handfast.toml");
        fs::write(&path, file).unwrap();
        let args = ConfigArgs { config: Some(path), data_dir: Some(folder.path().to_owned()) };
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::from_parts(&args, listen, &Environment(variables.collect()))
    }

    fn problem(file: &str, variables: &[(&str, &str)]) -> String {
        format!("{:#}", load(file, variables, &ListenArgs::default()).unwrap_err())
    }

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn without_settings_it_is_a_loopback_server() {
        let config = load("", &[], &ListenArgs::default()).unwrap();
        assert_eq!(config.exposure(), Exposure::Loopback);
        assert_eq!(config.public_url_or(config.listen).as_str(), "http://localhost:3004/");
        assert!(!config.danger_allow_private_addresses);
    }

    #[test]
    fn command_line_wins_over_environment_wins_over_file() {
        let file = "listen = \"127.0.0.1:1\"";
        let variables = [("HANDFAST_LISTEN", "127.0.0.1:2")];
        assert_eq!(load(file, &[], &ListenArgs::default()).unwrap().listen.port(), 1);
        assert_eq!(load(file, &variables, &ListenArgs::default()).unwrap().listen.port(), 2);
        let listen = ListenArgs { port: Some(0), ..ListenArgs::default() };
        assert_eq!(load(file, &variables, &listen).unwrap().listen.port(), 0);
    }

    #[test]
    fn an_unknown_key_is_refused_by_name_and_line() {
        let problem = problem("log = \"info\"\npubic_url = \"x\"", &[]);
        assert!(problem.contains("line 2") && problem.contains("pubic_url"), "{problem}");
    }

    #[test]
    fn a_mistake_in_the_file_does_not_print_the_secret_beside_it() {
        let problem = problem(&format!("api_key = \"{KEY}"), &[]);
        assert!(!problem.contains(KEY), "{problem}");
    }

    #[test]
    fn another_address_needs_a_public_url() {
        let problem = problem("listen = \"0.0.0.0:3004\"", &[]);
        assert!(problem.contains("public_url"), "{problem}");
        let config =
            load("", &[("HANDFAST_PUBLIC_URL", "https://connect.example.com")], &ListenArgs::default());
        assert_eq!(config.unwrap().exposure(), Exposure::Public);
    }

    #[test]
    fn a_public_url_is_https_or_loopback() {
        for bad in [
            "http://example.com",
            "ftp://localhost",
            "https://u:p@example.com",
            "https://example.com/?q",
            "example.com",
        ] {
            assert!(problem("", &[("HANDFAST_PUBLIC_URL", bad)]).contains("public_url"), "{bad}");
        }
    }

    #[test]
    fn the_demonstration_stays_on_loopback_and_in_its_own_folder() {
        let demo = ListenArgs { demo: true, ..ListenArgs::default() };
        let config = load("", &[], &demo).unwrap();
        assert!(config.data_dir.ends_with("demo") && config.danger_allow_private_addresses);
        assert!(
            load("", &[("HANDFAST_LISTEN", "0.0.0.0:1"), ("HANDFAST_PUBLIC_URL", "https://a.test")], &demo)
                .is_err()
        );
    }

    #[test]
    fn a_secret_may_stand_in_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, format!("{KEY}\n")).unwrap();
        let variable = [("HANDFAST_API_KEY_FILE", path.to_str().unwrap())];
        assert_eq!(load("", &variable, &ListenArgs::default()).unwrap().api_key.unwrap().expose(), KEY);
        let both = [variable[0], ("HANDFAST_API_KEY", KEY)];
        assert!(problem("", &both).contains("HANDFAST_API_KEY_FILE"));
    }

    #[test]
    fn a_weak_api_key_is_refused() {
        assert!(problem("api_key = \"hunter2\"", &[]).contains("api_key"));
    }

    #[test]
    fn a_private_provider_is_one_table() {
        let config = load(
            "[providers.acme]\ndisplay_name = \"Acme\"\nauthorization_endpoint = \"https://acme.test/authorize\"\n\
             token_endpoint = \"https://acme.test/token\"\nevidence = \"documentation\"",
            &[],
            &ListenArgs::default(),
        );
        assert!(config.unwrap().catalog().unwrap().find("acme").is_some());
    }

    #[test]
    fn the_effective_values_hide_secrets() {
        let file = format!(
            "api_key = \"{KEY}\"\ndatabase_url = \"postgres://u:hunter2@db/handfast?password=hunter2\""
        );
        let printed = format!("{:?}", load(&file, &[], &ListenArgs::default()).unwrap().effective());
        assert!(!printed.contains(KEY) && !printed.contains("hunter2"), "{printed}");
    }
}
