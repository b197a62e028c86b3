//! `GET /metrics`: what was done since the service began, as Prometheus reads it.

use std::sync::atomic::AtomicU64;

use ckpt_core::lazy::{self, ArrivalState};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::task::spawn_blocking;

use crate::body::{Body, full};
use crate::outcome::Outcome;

/// Of the text: Prometheus tells it from its older one by this.
const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A label and its value.
type Label = [(&'static str, String); 1];

/// Counts what is done.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    checkpoints: Counter,
    restores: Counter,
    failures: Family<Label, Counter>,
    frozen: Counter<f64, AtomicU64>,
    cloned: Counter,
    copied: Counter,
    lazy: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("ckpt"),
            checkpoints: Counter::default(),
            restores: Counter::default(),
            failures: Family::default(),
            frozen: Counter::default(),
            cloned: Counter::default(),
            copied: Counter::default(),
            lazy: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("checkpoints", "Checkpoints that succeeded", metrics.checkpoints.clone());
        registry.register("restores", "Restores that succeeded", metrics.restores.clone());
        registry.register("failures", "Checkpoints and restores that failed", metrics.failures.clone());
        let help = "Time for which containers stood still";
        registry.register_with_unit("frozen", help, Unit::Seconds, metrics.frozen.clone());
        registry.register_with_unit("cloned", "Data moved by clone", Unit::Bytes, metrics.cloned.clone());
        registry.register_with_unit("copied", "Data moved by copy", Unit::Bytes, metrics.copied.clone());
        let help = "Memory of restored containers that is still to come";
        registry.register_with_unit("lazy_memory", help, Unit::Bytes, metrics.lazy.clone());
        for operation in ["checkpoint", "restore"] {
            // Zero is an answer as well.
            drop(metrics.failures.get_or_create(&[("operation", operation.to_owned())]));
        }
        metrics
    }

    /// Counts an operation of this name.
    pub(crate) fn count(&self, operation: &str, outcome: &Outcome) {
        match (&outcome.error, operation) {
            (Some(_), _) => drop(self.failures.get_or_create(&[("operation", operation.to_owned())]).inc()),
            (None, "checkpoint" | "save" | "fork") => drop(self.checkpoints.inc()),
            (None, "restore" | "rollback") => drop(self.restores.inc()),
            (None, _) => {}
        }
        self.frozen.inc_by(outcome.frozen_seconds.unwrap_or_default());
        self.cloned.inc_by(outcome.cloned_bytes.unwrap_or_default());
        self.copied.inc_by(outcome.copied_bytes.unwrap_or_default());
    }

    /// The text.
    pub(crate) async fn answer(&self) -> Response<Body> {
        self.lazy.set(memory_to_come().await);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes it");
        let mut response = Response::new(full(text));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(KIND));
        response
    }
}

/// Bytes, of all containers of this host, whoever restored them; 0 where the notes cannot be read.
async fn memory_to_come() -> i64 {
    let arrivals = spawn_blocking(|| lazy::all(None)).await;
    let arrivals = arrivals.ok().and_then(Result::ok).unwrap_or_default();
    let coming = arrivals.iter().filter(|arrival| arrival.state != ArrivalState::Lost);
    let missing: u64 = coming.map(|arrival| arrival.total_bytes.saturating_sub(arrival.arrived_bytes)).sum();
    i64::try_from(missing).unwrap_or(i64::MAX)
}

/// Whether somebody asks for them: podman has nothing of that name.
pub(crate) fn are_asked_for<B>(request: &Request<B>) -> bool {
    request.method() == Method::GET && request.uri().path() == "/metrics"
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn what_was_done_is_counted() {
        let metrics = Metrics::new();
        let done = Outcome { cloned_bytes: Some(7), copied_bytes: Some(2), ..Outcome::default() };
        metrics.count("restore", &done);
        metrics.count("checkpoint", &Outcome { frozen_seconds: Some(1.5), ..done });
        metrics.count("restore", &Outcome { error: Some("no".to_owned()), ..Outcome::default() });
        let body = metrics.answer().await.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        for line in [
            "ckpt_checkpoints_total 1",
            "ckpt_restores_total 1",
            "ckpt_failures_total{operation=\"checkpoint\"} 0",
            "ckpt_failures_total{operation=\"restore\"} 1",
            "ckpt_frozen_seconds_total 1.5",
            "ckpt_cloned_bytes_total 14",
            "ckpt_copied_bytes_total 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line:?} is not in:\n{text}");
        }
    }
}
