//! The sealing keys: given by the configuration, or in a file of the data folder that the first start creates.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use handfast_broker::{Keyring, Place, Sealed};
use handfast_protocol::random_token;

use crate::{config::Config, storage::Storage, system::SystemRandomness};

/// Its name in the data folder.
const FILE_NAME: &str = "sealing.keys";

/// Where the value is sealed by which a start recognises its keys.
const PROOF: Place<'static> = Place { table: "key_proofs", column: "sealed", key: &["proof"] };
const PROVEN: &[u8] = b"handfast";

/// Loads the keys, or creates them for a database that holds nothing sealed yet. A database that was sealed with other
/// keys is left alone.
pub(crate) async fn load(config: &Config, storage: &Storage) -> anyhow::Result<Arc<Keyring>> {
    let path = config.data_dir.join(FILE_NAME);
    let (text, source) = match &config.sealing_keys {
        Some(text) => (text.expose().clone(), "sealing_keys".to_owned()),
        None => (read_or_create(&path, storage).await?, path.display().to_string()),
    };
    let keyring = Keyring::parse(&text).with_context(|| format!("{source} holds no usable sealing key"))?;
    prove(&keyring, storage, &source).await?;
    Ok(Arc::new(keyring))
}

/// Where the keys lie, unless the configuration gives them.
pub(crate) fn path(config: &Config) -> Option<PathBuf> {
    config.sealing_keys.is_none().then(|| config.data_dir.join(FILE_NAME))
}

/// Adds a new key at the end of the file, and answers the whole text. The file is replaced in one step: whenever the
/// process is killed, it is the old one or the new one.
pub(crate) fn add_key(path: &Path) -> anyhow::Result<String> {
    let old = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let text = format!("{}\n{}\n", old.trim_end(), random_token(&SystemRandomness).into_exposed());
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("{} cannot be removed", new.display()));
        }
        _ => {}
    }
    write_file(&new, &text)?;
    fs::rename(&new, path).with_context(|| format!("{} cannot be replaced", path.display()))?;
    Ok(text)
}

/// Writes a new file that only its owner may read.
fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).with_context(|| format!("{} cannot be created", path.display()))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("{} cannot be written", path.display()))
}

async fn read_or_create(path: &Path, storage: &Storage) -> anyhow::Result<String> {
    match fs::read_to_string(path) {
        Ok(text) => return Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
    if storage.key_proof().await?.is_some() {
        bail!(
            "{} is missing, and the database holds values sealed with its keys: put it back from your backup, or name \
             the keys with HANDFAST_SEALING_KEYS_FILE",
            path.display()
        );
    }
    let text = format!("{}\n", random_token(&SystemRandomness).into_exposed());
    write_file(path, &text)?;
    Ok(text)
}

/// Opens the value that the first start sealed; seals it where there is none.
async fn prove(keyring: &Keyring, storage: &Storage, source: &str) -> anyhow::Result<()> {
    let stored = match storage.key_proof().await? {
        Some(stored) => stored,
        None => storage.put_key_proof(keyring.seal(PROOF, PROVEN, &SystemRandomness).as_bytes()).await?,
    };
    keyring.open(PROOF, &Sealed::from_stored(stored)).map(drop).with_context(|| {
        format!("{source} does not hold the keys that this database was sealed with; nothing was changed")
    })
}
