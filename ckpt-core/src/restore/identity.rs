//! Names and IDs of new containers, and of new volumes.

use std::fs::File;
use std::io::{self, Read};

use super::options::RestoreOptions;
use crate::archive::ContainerConfig;
use crate::archive::dumps::Dumps;

/// Who the new container is.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) id: String,
    /// Whether both are other ones than before.
    pub(super) is_new: bool,
}

impl Identity {
    /// A new name comes with a new ID. podman would choose one at random; chosen here, it tells beforehand which
    /// container is this run's.
    pub(super) fn of(options: &RestoreOptions, config: &ContainerConfig) -> io::Result<Self> {
        Ok(match &options.name {
            Some(name) => Identity { name: name.clone(), id: random_id()?, is_new: true },
            None => Identity { name: config.name.clone(), id: config.id.clone(), is_new: false },
        })
    }

    /// Writes its name and ID into podman's configuration.
    pub(super) fn put_into(&self, dumps: &mut Dumps) {
        if self.is_new {
            dumps.set("id", &self.id);
            dumps.set("name", &self.name);
        }
    }
}

/// 64 hexadecimal digits, of which the first 12 are no number: podman takes those for none of its IDs
/// (containers/storage, `stringid.GenerateRandomID`).
pub(super) fn random_id() -> io::Result<String> {
    let mut bytes = [0; 32];
    loop {
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        if !id.bytes().take(12).all(|digit| digit.is_ascii_digit()) {
            return Ok(id);
        }
    }
}
