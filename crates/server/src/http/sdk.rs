//! `GET /sdk/handfast.js`: the SDK as a script-tag file, so that a plain page needs nothing but this server.

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// Empty in a server that was built without the package.
const SCRIPT: &str = include_str!(concat!(env!("OUT_DIR"), "/handfast.js"));

/// Any site may load it, also with an integrity hash, which is its entity tag as well.
pub(crate) async fn script(request: HeaderMap) -> Response {
    if SCRIPT.is_empty() {
        return (
            StatusCode::NOT_FOUND,
            "This server was built without the SDK: run `cargo xtask package` and build it again.\n",
        )
            .into_response();
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, SCRIPT.as_bytes());
    let tag = format!("\"sha256-{}\"", STANDARD.encode(digest));
    let known = request.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::ETAG, &tag),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    if known {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (headers, SCRIPT).into_response()
    }
}
