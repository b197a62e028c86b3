//! `--print-stats`: podman's JSON, in which each container has our own statistics under `ckpt`.

use std::fmt;

use serde_json::{Value, json};

/// The statistics of all containers of one command.
pub(crate) struct Statistics {
    /// podman's key for the time that it took altogether, in microseconds.
    duration_key: &'static str,
    duration_us: u64,
    containers: Vec<Value>,
}

impl Statistics {
    pub(crate) fn of_checkpoints() -> Self {
        Statistics { duration_key: "podman_checkpoint_duration", duration_us: 0, containers: Vec::new() }
    }

    pub(crate) fn of_restores() -> Self {
        Statistics { duration_key: "podman_restore_duration", duration_us: 0, containers: Vec::new() }
    }

    /// Adds one container: what `podman` printed of it, if that was understood, and `ours`.
    pub(crate) fn add(&mut self, podman: &Value, ours: &Value) {
        self.duration_us += podman[self.duration_key].as_u64().unwrap_or_default();
        let mut container = podman["container_statistics"][0].clone();
        container["ckpt"] = ours.clone();
        self.containers.push(container);
    }

    /// Adds what podman printed of containers that it saw to alone.
    pub(crate) fn add_podmans(&mut self, podman: &Value) {
        self.duration_us += podman[self.duration_key].as_u64().unwrap_or_default();
        self.containers.extend(podman["container_statistics"].as_array().into_iter().flatten().cloned());
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = json!({ self.duration_key: self.duration_us, "container_statistics": self.containers });
        write!(formatter, "{json:#}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_podmans_json() {
        let podman = |id: &str| {
            json!({
                "podman_checkpoint_duration": 7,
                "container_statistics": [{"Id": id, "runtime_checkpoint_duration": 5, "criu_statistics": {"frozen_time": 3}}],
            })
        };
        let mut statistics = Statistics::of_checkpoints();
        statistics.add(&podman("a"), &json!({"members": 1}));
        statistics.add_podmans(&podman("b"));
        statistics.add(&Value::Null, &json!({"members": 2}));
        let printed: Value = serde_json::from_str(&statistics.to_string()).unwrap();
        assert_eq!(printed["podman_checkpoint_duration"], 14);
        assert_eq!(printed.pointer("/container_statistics/0/criu_statistics/frozen_time"), Some(&json!(3)));
        assert_eq!(printed.pointer("/container_statistics/0/ckpt/members"), Some(&json!(1)));
        assert_eq!(printed.pointer("/container_statistics/1/Id"), Some(&json!("b")));
        assert_eq!(printed.pointer("/container_statistics/2/ckpt/members"), Some(&json!(2)));
    }
}
