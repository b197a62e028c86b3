//! One line of JSON on standard error for each operation: who asked for what, and what came of it.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use ckpt_core::progress::Progress;
use jiff::Timestamp;
use serde::Serialize;

use crate::caller::Caller;
use crate::metrics::Metrics;
use crate::outcome::Outcome;

/// An operation that has begun.
#[derive(Debug)]
pub(crate) struct Note {
    operation: String,
    container: Option<String>,
    caller: Caller,
    metrics: Arc<Metrics>,
    begun: Timestamp,
    started: Instant,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Line<'l> {
    begun: String,
    operation: &'l str,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'l str>,
    uid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    result: &'static str,
    seconds: f64,
    #[serde(flatten)]
    outcome: &'l Outcome,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'l [String],
}

impl Note {
    pub(crate) fn begin(operation: &str, container: Option<String>, caller: &Caller, metrics: &Arc<Metrics>) -> Self {
        let (begun, started) = (Timestamp::now(), Instant::now());
        Note {
            operation: operation.to_owned(),
            container,
            caller: caller.clone(),
            metrics: metrics.clone(),
            begun,
            started,
            warnings: Vec::new(),
        }
    }

    /// Says what it was, and about which container.
    pub(crate) fn of(self, operation: String, container: Option<String>) -> Self {
        Note { operation, container, ..self }
    }

    pub(crate) fn end(self, outcome: &Outcome) {
        self.metrics.count(&self.operation, outcome);
        let line = Line {
            begun: self.begun.to_string(),
            operation: &self.operation,
            container: self.container.as_deref(),
            user: self.caller.user.as_deref(),
            uid: self.caller.uid,
            pid: self.caller.pid,
            result: if outcome.error.is_some() { "failed" } else { "done" },
            seconds: self.started.elapsed().as_secs_f64(),
            outcome,
            warnings: &self.warnings,
        };
        let mut line = serde_json::to_string(&line).expect("strings and numbers are JSON");
        line.push('\n');
        // Where nobody listens, the work goes on.
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

impl Progress for Note {
    fn warning(&mut self, text: &str) {
        self.warnings.push(text.to_owned());
    }
}
