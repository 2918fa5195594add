//! Who asks: the API key of a request, in the Bearer form or in the Basic form that Pizzly's clients send.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use handfast_protocol::{ErrorCode, Secret};

use super::error::Problem;
use crate::app::App;

/// Who asks, once their key is known to be good.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// A program of this machine, at a server that does not ask for keys.
    Anonymous,
    /// The holder of the configuration's key.
    Operator,
}

impl Caller {
    /// Whether secrets may be shown.
    pub(crate) fn may_read_secrets(&self) -> bool {
        matches!(self, Self::Operator)
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Some(key) = presented_key(&parts.headers)? else {
            if app.needs_api_key() {
                return Err(Problem::new(
                    ErrorCode::MissingApiKey,
                    "an API key is needed: send `Authorization: Bearer <key>`",
                ));
            }
            return Ok(Self::Anonymous);
        };
        if app.is_configured_api_key(&key) {
            Ok(Self::Operator)
        } else {
            Err(Problem::new(ErrorCode::InvalidApiKey, "the API key is unknown or revoked"))
        }
    }
}

/// The key that a request shows; an empty one counts as none.
pub(crate) fn presented_key(headers: &HeaderMap) -> Result<Option<Secret<String>>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let unreadable = || {
        Problem::new(
            ErrorCode::InvalidApiKey,
            "the Authorization header is neither `Bearer <key>` nor `Basic base64(<key>:)`",
        )
    };
    if values.next().is_some() {
        return Err(Problem::new(
            ErrorCode::InvalidApiKey,
            "the Authorization header is repeated; send it once",
        ));
    }
    let (scheme, credentials) =
        value.to_str().map_err(|_| unreadable())?.split_once(' ').ok_or_else(unreadable)?;
    let credentials = credentials.trim();
    let key = if scheme.eq_ignore_ascii_case("bearer") {
        credentials.to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(credentials).map_err(|_| unreadable())?;
        let pair = String::from_utf8(decoded).map_err(|_| unreadable())?;
        // The key is the user name; the password is empty.
        pair.split_once(':').map_or(pair.as_str(), |(user, _)| user).to_owned()
    } else {
        return Err(unreadable());
    };
    Ok(Some(key).filter(|key| !key.is_empty()).map(Secret::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: &str) -> Option<Option<String>> {
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
        presented_key(&headers).ok().map(|key| key.map(Secret::into_exposed))
    }

    #[test]
    fn bearer_and_pizzlys_basic_form_carry_the_key() {
        assert_eq!(key("Bearer abc"), Some(Some("abc".to_owned())));
        assert_eq!(key("basic YWJjOg=="), Some(Some("abc".to_owned())));
        assert_eq!(key("Basic Og=="), Some(None));
    }

    #[test]
    fn other_forms_are_refused() {
        for bad in ["abc", "Digest abc", "Basic %%%"] {
            assert_eq!(key(bad), None, "{bad}");
        }
    }
}
