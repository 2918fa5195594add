//! Changes the sealing key while the server serves: a new key in the file, then every value sealed anew.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use handfast_broker::Keyring;
use tokio::sync::Mutex;

use crate::{
    key_file,
    storage::{SEALED_COLUMNS, Storage},
    system::SystemRandomness,
};

/// What a change of the key has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rotated {
    /// Whether a key was added; a run that was cut short is gone on with, without another one.
    pub(crate) added_key: bool,
    /// How many values were sealed anew.
    pub(crate) resealed: u64,
    /// False where there are more values than one run takes on; the next goes on with them.
    pub(crate) is_finished: bool,
}

/// How long a run takes on more values: whoever asked for it waits for the answer.
const LONGEST_RUN: Duration = Duration::from_secs(20);

/// One run at a time.
static RUNNING: Mutex<()> = Mutex::const_new(());

/// Seals values with the newest key until all are. Where all were already, adds a key to `key_file` first.
pub(crate) async fn rotate(
    storage: &Storage,
    keyring: &Keyring,
    key_file: Option<PathBuf>,
) -> anyhow::Result<Rotated> {
    let _running = RUNNING.lock().await;
    let began_at = Instant::now();
    // A server that runs beside this process would not know the new key.
    let _claim = if storage.is_claimed() { None } else { Some(storage.clone().claimed()?) };
    let mut rotated = Rotated::default();
    if all_sealed_with_newest(storage, keyring).await? {
        let Some(path) = key_file.filter(|_| storage.is_embedded()) else {
            bail!(
                "every value is sealed with the newest key already. The keys are given by the configuration, or several \
                 servers may share this database: add a line with a new key (`openssl rand -base64 32 | tr '+/' '-_' | \
                 tr -d =`) at the end of the key file of each server, start each again, and then run this once more"
            );
        };
        keyring.replace(&key_file::add_key(&path)?)?;
        rotated.added_key = true;
    }
    let header = keyring.newest().header();
    for column in SEALED_COLUMNS {
        let mut last = None;
        loop {
            let values = storage.values_sealed_otherwise(column, &header, last.as_ref()).await?;
            let Some(end) = values.last().cloned() else { break };
            if began_at.elapsed() > LONGEST_RUN {
                return Ok(rotated);
            }
            for value in &values {
                let resealed = column.with_place(value, |place| {
                    let plain = keyring.open(place, &value.sealed())?;
                    Ok::<_, handfast_broker::OpenError>(keyring.seal(
                        place,
                        plain.expose(),
                        &SystemRandomness,
                    ))
                });
                storage
                    .replace_sealed(column, value, &resealed.context("a stored value cannot be opened")?)
                    .await?;
                rotated.resealed += 1;
            }
            last = Some(end);
        }
    }
    rotated.is_finished = true;
    Ok(rotated)
}

async fn all_sealed_with_newest(storage: &Storage, keyring: &Keyring) -> Result<bool, sqlx::Error> {
    let header = keyring.newest().header();
    for column in SEALED_COLUMNS {
        if !storage.values_sealed_otherwise(column, &header, None).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}
