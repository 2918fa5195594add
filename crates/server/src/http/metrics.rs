//! `/metrics`: counts in the Prometheus text format. Labels hold routes, methods, statuses and states, never a name.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::{caller::Caller, error::Problem};
use crate::app::App;

/// The upper bounds of the histogram, in milliseconds.
const BOUNDS_MS: [u64; 8] = [1, 5, 10, 50, 100, 500, 1000, 5000];

/// What has been counted since the process started.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<BTreeMap<String, Route>>);

/// What was asked of one route, by method and status.
type Route = BTreeMap<(&'static str, u16), Requests>;

#[derive(Clone, Copy, Debug, Default)]
struct Requests {
    count: u64,
    total: Duration,
    within: [u64; BOUNDS_MS.len()],
}

impl Metrics {
    /// Counts a request that was answered.
    pub(super) fn count(&self, route: &str, method: &str, status: u16, took: Duration) {
        // Whoever asks chooses the method: only known ones become a label.
        let method = match method {
            "GET" => "GET",
            "HEAD" => "HEAD",
            "POST" => "POST",
            "PUT" => "PUT",
            "PATCH" => "PATCH",
            "DELETE" => "DELETE",
            "OPTIONS" => "OPTIONS",
            _ => "other",
        };
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let route = match counted.get_mut(route) {
            Some(known) => known,
            None => counted.entry(route.to_owned()).or_default(),
        };
        let requests = route.entry((method, status)).or_default();
        requests.count += 1;
        requests.total += took;
        let millis = took.as_micros().div_ceil(1000);
        for (within, bound) in requests.within.iter_mut().zip(BOUNDS_MS) {
            *within += u64::from(millis <= u128::from(bound));
        }
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        writeln!(text, "# HELP handfast_http_request_seconds How long requests took to be answered.")?;
        writeln!(text, "# TYPE handfast_http_request_seconds histogram")?;
        let each = counted.iter().flat_map(|(route, counted)| counted.iter().map(move |by| (route, by)));
        for (route, ((method, status), requests)) in each {
            let labels = format!("route=\"{route}\",method=\"{method}\",status=\"{status}\"");
            for (within, bound) in requests.within.iter().zip(BOUNDS_MS) {
                let bound = Duration::from_millis(bound).as_secs_f64();
                writeln!(text, "handfast_http_request_seconds_bucket{{{labels},le=\"{bound}\"}} {within}")?;
            }
            let Requests { count, total, .. } = requests;
            writeln!(text, "handfast_http_request_seconds_bucket{{{labels},le=\"+Inf\"}} {count}")?;
            writeln!(text, "handfast_http_request_seconds_sum{{{labels}}} {}", total.as_secs_f64())?;
            writeln!(text, "handfast_http_request_seconds_count{{{labels}}} {count}")?;
        }
        Ok(())
    }
}

/// `GET /metrics`, for whoever has an API key.
pub(crate) async fn show(_: Caller, State(app): State<App>) -> Result<Response, Problem> {
    let mut text = String::new();
    let written = app.metrics().write(&mut text);
    written.map_err(|error| Problem::internal(&error))?;
    let gauges = app.broker().store.gauges().await?;
    text += "# HELP handfast_connections Connections by state.\n# TYPE handfast_connections gauge\n";
    for (status, count) in gauges.connections {
        text.extend(["handfast_connections{status=\"", &status, "\"} ", &count.to_string(), "\n"]);
    }
    text +=
        "# HELP handfast_webhooks_due Events whose delivery is due.\n# TYPE handfast_webhooks_due gauge\n";
    text.extend(["handfast_webhooks_due ", &gauges.events_due.to_string(), "\n"]);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_in_every_bucket_it_fits() {
        let metrics = Metrics::default();
        metrics.count("/health", "GET", 200, Duration::from_micros(5500));
        metrics.count("/health", "BREW", 405, Duration::ZERO);
        let mut text = String::new();
        metrics.write(&mut text).unwrap();
        let labels = "route=\"/health\",method=\"GET\",status=\"200\"";
        assert!(text.contains(&format!("_bucket{{{labels},le=\"0.005\"}} 0\n")), "{text}");
        assert!(text.contains(&format!("_bucket{{{labels},le=\"0.01\"}} 1\n")), "{text}");
        assert!(text.contains(&format!("_sum{{{labels}}} 0.0055\n")), "{text}");
        assert!(text.contains("method=\"other\""), "{text}");
    }
}
