//! What clients publish, fetched under the rules of every other address that came from data.

use handfast_broker::{TokenEndpoint, TokenRequest};
use handfast_issuer::{DocumentError, Documents};
use handfast_protocol::Secret;
use url::Url;

use crate::token_client::TokenClient;

impl Documents for TokenClient {
    async fn fetch(&self, url: &Url) -> Result<Vec<u8>, DocumentError> {
        let request = TokenRequest {
            method: "GET",
            url: Secret::new(url.clone()),
            headers: vec![("accept".to_owned(), Secret::new("application/json".to_owned()))],
            body: Secret::default(),
        };
        let answer = self.send(request).await.map_err(|error| DocumentError(error.to_string()))?;
        match answer.status {
            200 => Ok(answer.body.into_exposed()),
            status => Err(DocumentError(format!("{url} answered HTTP {status}"))),
        }
    }
}
