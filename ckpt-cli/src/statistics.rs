//! `--print-stats`: podman's JSON, with our own numbers added.

use ckpt_core::checkpoint::CheckpointReport;
use ckpt_core::restore::RestoreReport;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// podman's keys for the time that it took altogether.
const DURATIONS: [&str; 2] = ["podman_checkpoint_duration", "podman_restore_duration"];

/// The statistics of all containers of one command, in podman's form.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Statistics<N> {
    /// Microseconds, as podman measured them.
    #[serde(skip_serializing_if = "Option::is_none")]
    podman_checkpoint_duration: Option<u64>,
    /// Microseconds, as podman measured them.
    #[serde(skip_serializing_if = "Option::is_none")]
    podman_restore_duration: Option<u64>,
    container_statistics: Vec<OfContainer<N>>,
}

/// What podman says of a container, with our own numbers.
#[derive(Serialize, JsonSchema)]
struct OfContainer<N> {
    #[serde(flatten)]
    podman: Map<String, Value>,
    /// Not there if podman itself did the work.
    #[serde(skip_serializing_if = "Option::is_none")]
    ckpt: Option<N>,
}

/// Of a checkpoint.
#[derive(Serialize, JsonSchema)]
pub(crate) struct CheckpointNumbers {
    elapsed_us: u64,
    /// From all tasks stopped to all running or gone, as CRIU measured it.
    frozen_us: Option<u64>,
    /// The same seen from outside: CRIU's wait for the tasks to stop is in it.
    observed_frozen_us: Option<u64>,
    /// Of that, the time in which files were taken.
    capture_us: u64,
    expected_capture_us: u64,
    capture_cloned_bytes: u64,
    capture_copied_bytes: u64,
    members: u64,
    cloned_bytes: u64,
    copied_bytes: u64,
    hole_bytes: u64,
    clone_calls: u64,
}

/// Of a restore.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RestoreNumbers {
    elapsed_us: u64,
    /// Of that, the time in which files were placed.
    place_us: u64,
    cloned_bytes: u64,
    copied_bytes: u64,
    hole_bytes: u64,
    clone_calls: u64,
}

impl From<&CheckpointReport> for CheckpointNumbers {
    fn from(report: &CheckpointReport) -> Self {
        CheckpointNumbers {
            elapsed_us: report.elapsed.as_micros() as u64,
            frozen_us: report.frozen.map(|frozen| frozen.as_micros() as u64),
            observed_frozen_us: report.observed_frozen.map(|frozen| frozen.as_micros() as u64),
            capture_us: report.capture.as_micros() as u64,
            expected_capture_us: report.expected_capture.as_micros() as u64,
            capture_cloned_bytes: report.capture_moved.cloned_bytes,
            capture_copied_bytes: report.capture_moved.copied_bytes,
            members: report.members,
            cloned_bytes: report.moved.cloned_bytes,
            copied_bytes: report.moved.copied_bytes,
            hole_bytes: report.moved.hole_bytes,
            clone_calls: report.moved.clone_calls,
        }
    }
}

impl From<&RestoreReport> for RestoreNumbers {
    fn from(report: &RestoreReport) -> Self {
        RestoreNumbers {
            elapsed_us: report.elapsed.as_micros() as u64,
            place_us: report.place.as_micros() as u64,
            cloned_bytes: report.moved.cloned_bytes,
            copied_bytes: report.moved.copied_bytes,
            hole_bytes: report.moved.hole_bytes,
            clone_calls: report.moved.clone_calls,
        }
    }
}

impl Statistics<CheckpointNumbers> {
    pub(crate) fn of_checkpoints() -> Self {
        Statistics {
            podman_checkpoint_duration: Some(0),
            podman_restore_duration: None,
            container_statistics: Vec::new(),
        }
    }
}

impl Statistics<RestoreNumbers> {
    pub(crate) fn of_restores() -> Self {
        Statistics {
            podman_checkpoint_duration: None,
            podman_restore_duration: Some(0),
            container_statistics: Vec::new(),
        }
    }
}

impl<N> Statistics<N> {
    /// Adds one container: what `podman` printed of it, if that was understood, and `ours`.
    pub(crate) fn add(&mut self, podman: &Value, ours: N) {
        self.add_duration(podman);
        let podman = podman["container_statistics"][0].as_object().cloned().unwrap_or_default();
        self.container_statistics.push(OfContainer { podman, ckpt: Some(ours) });
    }

    /// Adds what podman printed of containers that it saw to alone.
    pub(crate) fn add_podmans(&mut self, podman: &Value) {
        self.add_duration(podman);
        let containers = podman["container_statistics"].as_array().into_iter().flatten();
        let containers = containers.filter_map(|container| container.as_object().cloned());
        self.container_statistics.extend(containers.map(|podman| OfContainer { podman, ckpt: None }));
    }

    fn add_duration(&mut self, podman: &Value) {
        let sums = [&mut self.podman_checkpoint_duration, &mut self.podman_restore_duration];
        for (sum, key) in sums.into_iter().zip(DURATIONS) {
            if let Some(sum) = sum {
                *sum += podman[key].as_u64().unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_stays_podmans_json() {
        let podman = |id: &str| {
            json!({
                "podman_checkpoint_duration": 7,
                "container_statistics": [{"Id": id, "runtime_checkpoint_duration": 5, "criu_statistics": {"frozen_time": 3}}],
            })
        };
        let numbers = |members| CheckpointNumbers {
            elapsed_us: 0,
            frozen_us: None,
            observed_frozen_us: None,
            capture_us: 0,
            expected_capture_us: 0,
            capture_cloned_bytes: 0,
            capture_copied_bytes: 0,
            members,
            cloned_bytes: 0,
            copied_bytes: 0,
            hole_bytes: 0,
            clone_calls: 0,
        };
        let mut statistics = Statistics::of_checkpoints();
        statistics.add(&podman("a"), numbers(1));
        statistics.add_podmans(&podman("b"));
        statistics.add(&Value::Null, numbers(2));
        let printed = serde_json::to_value(&statistics).unwrap();
        assert_eq!(printed["podman_checkpoint_duration"], 14);
        assert_eq!(printed.get("podman_restore_duration"), None);
        assert_eq!(printed.pointer("/container_statistics/0/criu_statistics/frozen_time"), Some(&json!(3)));
        assert_eq!(printed.pointer("/container_statistics/0/ckpt/members"), Some(&json!(1)));
        assert_eq!(printed.pointer("/container_statistics/1/Id"), Some(&json!("b")));
        assert_eq!(printed.pointer("/container_statistics/2/ckpt/members"), Some(&json!(2)));
    }
}
