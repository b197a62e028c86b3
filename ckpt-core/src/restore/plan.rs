//! What the restore of one container will do, decided before podman is started.

use std::fs::File;
use std::path::Path;

use super::checks;
use super::error::RestoreError;
use super::identity::Identity;
use super::options::RestoreOptions;
use super::parts;
use super::planned_volumes::{self, PlannedVolume};
use super::prepared::{Prepared, Purpose};
use crate::criu::configuration::LAZY_PAGES;
use crate::host::session::NameLock;
use crate::host::waiting::Waiting;
use crate::progress::Progress;
use crate::recovery::journal::Begun;

/// What one container has for itself.
#[derive(Debug)]
pub(super) struct RestorePlan<'p> {
    pub(super) prepared: &'p Prepared,
    /// The name of the new container.
    name: String,
    /// The ID of the new container.
    pub(super) id: String,
    /// Whether nobody else knows it.
    has_new_id: bool,
    /// Volumes to make and fill.
    pub(super) volumes: Vec<PlannedVolume>,
    /// An archive with what podman reads before it makes the container.
    pub(super) first_part: File,
    /// What the container is told of itself, at [`ANNOUNCEMENT`](super::announcement::ANNOUNCEMENT).
    pub(super) announcement: Option<Vec<u8>>,
    /// Two restores under one name would take each other's container for their own.
    _name_lock: NameLock,
}

impl<'p> RestorePlan<'p> {
    /// Of the container that `options` name, with these `volumes`.
    pub(super) fn make(
        prepared: &'p Prepared,
        options: &RestoreOptions,
        volumes: Vec<PlannedVolume>,
        progress: &mut dyn Progress,
    ) -> Result<Self, RestoreError> {
        let Prepared { storage, archive, config, .. } = prepared;
        let wanted = options.name.as_deref().unwrap_or(&config.name);
        let name_lock = NameLock::take(wanted, &mut Waiting::new(options.interrupt.as_ref(), progress))?;
        checks::check_names(options, config, storage)?;
        checks::check_volumes(&volumes, archive, &*prepared.engine)?;
        let identity = Identity::of(options, config).map_err(RestoreError::Random)?;
        let mut dumps = prepared.dumps.clone();
        identity.put_into(&mut dumps);
        if prepared.purpose == Purpose::Copies {
            dumps.name_host_after(&identity.id, &config.id);
            dumps.forget_aliases();
        }
        planned_volumes::put_into(&mut dumps, &volumes);
        if let Some(folder) = &prepared.volume_folder {
            dumps.move_volumes(folder);
        }
        Ok(RestorePlan {
            prepared,
            first_part: parts::first(&dumps, storage.graph_root())?,
            name: identity.name,
            id: identity.id,
            has_new_id: identity.is_new,
            volumes,
            announcement: None,
            _name_lock: name_lock,
        })
    }

    /// The name of the new container.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What a run in the folder `session` is about to make.
    pub(super) fn begun(&self, session: &Path) -> Begun {
        let (anonymous, named): (Vec<_>, Vec<_>) = self.volumes.iter().partition(|volume| volume.is_anonymous);
        Begun {
            name: self.name.clone(),
            id: Some(self.id.clone()),
            has_new_id: self.has_new_id,
            volumes: named.into_iter().map(|volume| volume.name.clone()).collect(),
            anonymous_volumes: !anonymous.is_empty(),
            networks: self.prepared.networks.clone(),
            session: session.to_owned(),
        }
    }

    /// Names of the volumes that get the archive's files.
    pub(super) fn filled_volumes(&self) -> Vec<String> {
        self.volumes.iter().filter(|volume| volume.is_filled).map(|volume| volume.name.clone()).collect()
    }

    /// What the archive calls the volume `name`.
    pub(super) fn origin<'v>(&'v self, name: &'v str) -> &'v str {
        self.volumes.iter().find(|volume| volume.name == name).map_or(name, |volume| &volume.origin)
    }

    /// Lines for CRIU's configuration.
    pub(super) fn criu_configuration(&self, options: &RestoreOptions) -> String {
        let lines = [
            // podman 5.4 has no `--tcp-close`, but its CRIU has.
            (options.tcp_close, "tcp-close\n"),
            // Storage drivers do not agree on the mode of an image's root, which is the directory of most tasks.
            (!self.prepared.is_of_overlay, "skip-file-rwx-check\n"),
            (self.prepared.lazy_from.is_some(), LAZY_PAGES),
        ];
        lines.into_iter().filter(|(is_said, _)| *is_said).map(|(_, line)| line).collect()
    }
}
