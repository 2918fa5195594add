//! Devices that wait for their users, kept in the database.

use handfast_issuer::{DeviceAuthorization, DeviceState, DeviceStore, Pace, RefreshToken, StoreError};
use handfast_protocol::{Sha256Hash, Timestamp};
use sqlx::FromRow;

use super::{
    Storage,
    issuer::{failed, find, insert_refresh_token, run, run_on},
    on_either,
};

#[derive(FromRow)]
struct DeviceRow {
    device_code_hash: String,
    user_code: String,
    client_id: String,
    scopes: String,
    expires_at: i64,
    too_fast: i64,
    grant_id: Option<String>,
    denied_at: Option<i64>,
    taken_at: Option<i64>,
}

impl DeviceRow {
    fn read(self) -> Result<(DeviceAuthorization, Pace), StoreError> {
        let state = match (self.taken_at, self.denied_at, self.grant_id) {
            (Some(_), _, _) => DeviceState::Taken,
            (None, Some(_), _) => DeviceState::Denied,
            (None, None, Some(grant_id)) => DeviceState::Granted { grant_id },
            (None, None, None) => DeviceState::Pending,
        };
        let device = DeviceAuthorization {
            device_code_hash: Sha256Hash::from_stored(self.device_code_hash),
            user_code: self.user_code,
            client_id: self.client_id,
            scopes: serde_json::from_str(&self.scopes).map_err(failed)?,
            expires_at: Timestamp::from_millis(self.expires_at),
            state,
        };
        Ok((device, if self.too_fast == 0 { Pace::Kept } else { Pace::TooFast }))
    }
}

impl DeviceStore for Storage {
    async fn put_device(&self, device: &DeviceAuthorization) -> Result<bool, StoreError> {
        const SQL: &str = "INSERT INTO issuer_devices (device_code_hash, user_code, client_id, scopes, expires_at) \
                           VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
        let scopes = serde_json::to_string(&device.scopes).map_err(failed)?;
        let (hash, expires_at) = (device.device_code_hash.as_str(), device.expires_at.as_millis());
        Ok(run!(self, SQL, hash, &device.user_code, &device.client_id, scopes, expires_at)? == 1)
    }

    async fn claim_device(
        &self,
        user_code: &str,
        answer_to: &Sha256Hash,
        now: Timestamp,
    ) -> Result<Option<DeviceAuthorization>, StoreError> {
        const SQL: &str = "UPDATE issuer_devices SET answer_to = $1, times_typed = times_typed + 1 \
                           WHERE user_code = $2 AND expires_at > $3 AND grant_id IS NULL AND denied_at IS NULL \
                           AND times_typed < $4 \
                           RETURNING device_code_hash, user_code, client_id, scopes, expires_at, too_fast, grant_id, \
                           denied_at, taken_at";
        let most = DeviceAuthorization::MOST_TIMES_TYPED;
        let row: Option<DeviceRow> = find!(self, SQL, answer_to.as_str(), user_code, now.as_millis(), most)?;
        row.map(|row| row.read().map(|(device, _)| device)).transpose()
    }

    async fn decide_device(
        &self,
        answer_to: &Sha256Hash,
        grant_id: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE issuer_devices SET grant_id = $1, denied_at = $2 \
                           WHERE answer_to = $3 AND expires_at > $4 AND grant_id IS NULL AND denied_at IS NULL";
        let denied_at = grant_id.is_none().then(|| now.as_millis());
        Ok(run!(self, SQL, grant_id, denied_at, answer_to.as_str(), now.as_millis())? == 1)
    }

    async fn poll_device(
        &self,
        device_code_hash: &Sha256Hash,
        now: Timestamp,
    ) -> Result<Option<(DeviceAuthorization, Pace)>, StoreError> {
        // The right-hand sides see the row as it was. Half a second is allowed for the network.
        const SQL: &str = "UPDATE issuer_devices SET polled_at = $1, \
                           too_fast = CASE WHEN polled_at + interval_millis - 500 > $1 THEN 1 ELSE 0 END, \
                           interval_millis = CASE WHEN polled_at + interval_millis - 500 > $1 \
                           THEN interval_millis + 5000 ELSE interval_millis END \
                           WHERE device_code_hash = $2 \
                           RETURNING device_code_hash, user_code, client_id, scopes, expires_at, too_fast, grant_id, \
                           denied_at, taken_at";
        let row: Option<DeviceRow> = find!(self, SQL, now.as_millis(), device_code_hash.as_str())?;
        row.map(DeviceRow::read).transpose()
    }

    async fn take_device(
        &self,
        device_code_hash: &Sha256Hash,
        refresh_token: &RefreshToken,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const TAKE: &str = "UPDATE issuer_devices SET taken_at = $1 \
                            WHERE device_code_hash = $2 AND taken_at IS NULL AND grant_id IS NOT NULL";
        on_either!(self, pool => {
            let mut transaction = pool.begin().await.map_err(failed)?;
            if run_on!(&mut *transaction, TAKE, now.as_millis(), device_code_hash.as_str())? == 0 {
                return Ok(false);
            }
            insert_refresh_token!(&mut *transaction, refresh_token)?;
            transaction.commit().await.map_err(failed)?;
            Ok(true)
        })
    }
}
