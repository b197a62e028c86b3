//! Predicts the `config.dump` and `spec.dump` of a container that still runs.

use std::collections::BTreeMap;
use std::fs;

use crate::archive::dumps::Dumps;
use crate::archive::go_json::{self, Json};
use crate::archive::{ArchiveError, SPEC_DUMP, limits};
use crate::engine::{ContainerFacts, SecretFacts};

/// The `config.dump` and `spec.dump` that podman would write for the container of `facts`, which needs the containers
/// `needed`. What `podman container inspect` does not say is left out.
///
/// # Errors
/// [`ArchiveError`] where the container's `config.json` cannot be read, or is larger than a restore would read.
pub(crate) fn dumps_of(facts: &ContainerFacts, needed: Vec<String>) -> Result<Dumps, ArchiveError> {
    let path = &facts.oci_config_path;
    let spec = fs::read(path).map_err(|source| ArchiveError::Io { call: "read", path: path.clone(), source })?;
    if limits::dump(SPEC_DUMP, spec.len() as u64).is_err() {
        return Err(ArchiveError::TooLarge { path: path.clone(), member: SPEC_DUMP, size: spec.len() as u64 });
    }
    let json_error = |source| ArchiveError::Json { path: path.clone(), member: SPEC_DUMP.to_owned(), source };
    let spec: Json = go_json::from_slice(&spec).map_err(json_error)?;
    let fields = [
        ("runtime", facts.oci_runtime.clone()),
        ("rootfs", facts.rootfs.clone()),
        ("pod", facts.pod.clone()),
        ("conmonPidFile", facts.conmon_pid_file.clone()),
        ("pid_file", facts.pid_file.clone()),
        ("healthLogDestination", facts.config.health_log_destination.clone()),
    ];
    let mut config = Json::Object(BTreeMap::new());
    fields.into_iter().for_each(|(field, text)| config.set(field, Json::Text(text)));
    let secret = |secret: &SecretFacts| Json::Object([("name".to_owned(), Json::Text(secret.name.clone()))].into());
    config.set("secrets", Json::List(facts.config.secrets.iter().flatten().map(secret).collect()));
    config.set("Dependencies", Json::List(needed.into_iter().map(Json::Text).collect()));
    Ok(Dumps::for_this_host(path, config, spec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_that_a_restore_would_refuse_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let facts = serde_json::json!({
            "Id": "ab", "Name": "web", "OCIConfigPath": file.path(), "State": {"Status": "running"},
            "GraphDriver": {"Name": "overlay"}
        });
        let facts: ContainerFacts = serde_json::from_value(facts).unwrap();
        let write = |len: usize| fs::write(file.path(), format!("{{}}{}", " ".repeat(len - 2))).unwrap();
        write(4 << 20);
        dumps_of(&facts, Vec::new()).unwrap();
        write((4 << 20) + 1);
        assert!(matches!(dumps_of(&facts, Vec::new()), Err(ArchiveError::TooLarge { member: SPEC_DUMP, .. })));
    }
}
