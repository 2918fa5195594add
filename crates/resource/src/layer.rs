//! An axum layer that lets only requests with a valid token through, and the extractor that hands the token on.

use core::{convert::Infallible, future::Future, pin::Pin, task::Context, task::Poll};
use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequestParts, OriginalUri, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use tower::{Layer, Service};

use crate::{AccessToken, Refusal, RequestParts, ResourceServer};

/// Lets only requests with a valid token through; the rest is answered as RFC 6750 3 and RFC 9449 7.1 ask.
///
/// A preflight request (CORS) carries no token: add the layer that answers those after this one, so that it stands
/// outside.
#[derive(Clone, Debug)]
pub struct ProtectLayer {
    resource: ResourceServer,
    scopes: Arc<[String]>,
}

/// A service behind [`ProtectLayer`].
#[derive(Clone, Debug)]
pub struct Protected<S> {
    inner: S,
    layer: ProtectLayer,
}

impl ProtectLayer {
    /// Any valid token passes.
    #[must_use]
    pub fn new(resource: ResourceServer) -> Self {
        Self { resource, scopes: Arc::new([]) }
    }

    /// The token must also have this scope, beside those asked for before.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes = self.scopes.iter().cloned().chain([scope.into()]).collect();
        self
    }

    async fn check(&self, method: &str, path: &str, headers: &HeaderMap) -> Result<AccessToken, Response> {
        const DPOP: HeaderName = HeaderName::from_static("dpop");
        // A value that is not text counts as one that cannot be right.
        let all = |name: HeaderName| -> Vec<&str> {
            headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect()
        };
        let (authorization, dpop) = (all(header::AUTHORIZATION), all(DPOP));
        let request = RequestParts { method, path, authorization, dpop };
        let token = self.resource.authenticate(&request).await;
        let passed = token.and_then(|token| {
            self.resource.require_scopes(&token, &self.scopes)?;
            Ok(token)
        });
        passed.map_err(|refusal| self.refuse(&request, &refusal))
    }

    fn refuse(&self, request: &RequestParts<'_>, refusal: &Refusal) -> Response {
        if let Refusal::Unavailable(error) = refusal {
            tracing::warn!(%error, "access tokens cannot be verified");
        }
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::UNAUTHORIZED);
        let mut response =
            (status, [(header::CACHE_CONTROL, "no-store")], Json(refusal.to_json())).into_response();
        for challenge in self.resource.challenges(request, refusal) {
            if let Ok(challenge) = HeaderValue::try_from(challenge) {
                response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
            }
        }
        response
    }
}

impl<S> Layer<S> for ProtectLayer {
    type Service = Protected<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Protected { inner, layer: self.clone() }
    }
}

impl<S> Service<Request> for Protected<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The service that was polled ready goes with the request; its clone waits for the next one.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            // A nested router sees a shortened path; the client made its proof for the whole.
            let original =
                parts.extensions.get::<OriginalUri>().map(|OriginalUri(uri)| uri.path().to_owned());
            let path = original.unwrap_or_else(|| parts.uri.path().to_owned());
            match layer.check(parts.method.as_str(), &path, &parts.headers).await {
                Ok(token) => {
                    parts.extensions.insert(token);
                    inner.call(Request::from_parts(parts, body)).await
                }
                Err(refused) => Ok(refused),
            }
        })
    }
}

impl<S: Sync> FromRequestParts<S> for AccessToken {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        parts.extensions.get::<Self>().cloned().ok_or((
            StatusCode::INTERNAL_SERVER_ERROR,
            "this route takes an AccessToken, but no ProtectLayer stands in front of it",
        ))
    }
}
