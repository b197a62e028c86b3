//! `inspect` of a container that podman has, whether it runs or not.

use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::dumps::Dumps;
use crate::archive::{ArchiveError, Maker};
use crate::container::privileges::{self, Granted, Host};
use crate::container::restorable;
use crate::container::running::dumps_of;
use crate::engine::cgroup::in_cgroup_of;
use crate::engine::{ContainerFacts, Engine, EngineError, Podman};
use crate::host::interrupt::Interrupt;
use crate::inside::{Inside, InsideError, MountsOfSpec, Sections, living};

/// What podman and the kernel say of a container.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LivingInspection {
    /// The engine that has it.
    pub engine: Maker,
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its image's name.
    pub image: String,
    /// Its image's ID.
    pub image_id: String,
    /// Its OCI runtime.
    pub runtime: String,
    /// What it does, in podman's word: `running`.
    pub status: String,
    /// What it is allowed beyond an ordinary container of podman.
    #[serde(rename = "powers")]
    pub privileges: Vec<Granted>,
    /// Why a checkpoint of it could not be restored, or what a restore would ask for.
    pub concerns: Vec<String>,
    /// What goes on in it.
    #[serde(flatten)]
    pub inside: Inside,
}

/// Why it cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum LivingError {
    /// podman has no answer; also that it knows no such container.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Its configuration cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// What goes on in it cannot be told.
    #[error(transparent)]
    Inside(#[from] InsideError),
}

/// Looks at the container of this name or ID.
///
/// # Errors
/// [`LivingError`].
pub fn inspect_container(
    name_or_id: &str,
    sections: &Sections,
    interrupt: Option<&Interrupt>,
) -> Result<LivingInspection, LivingError> {
    let facts = Podman::anyones()?.until(interrupt).inspect(name_or_id)?;
    let dumps = dumps_of(&facts, facts.dependencies.clone())?;
    Ok(LivingInspection {
        engine: Maker::Podman,
        privileges: privileges::of(&dumps, &Host::here())?,
        concerns: restorable::concerns(&dumps)?,
        inside: inside(&facts, &dumps, sections)?,
        id: facts.id,
        name: facts.name,
        image: facts.image_name,
        image_id: facts.image,
        runtime: facts.oci_runtime,
        status: facts.state.status,
    })
}

fn inside(facts: &ContainerFacts, dumps: &Dumps, sections: &Sections) -> Result<Inside, LivingError> {
    let MountsOfSpec { mounts } = dumps.spec()?;
    let in_cgroup: Vec<i32> = if facts.state.pid == 0 { Vec::new() } else { in_cgroup_of(&facts.id).collect() };
    // With `--cgroups=disabled` it has none.
    let first = i32::try_from(facts.state.pid).ok().filter(|pid| *pid != 0 && in_cgroup.is_empty());
    Ok(living::inside(in_cgroup.into_iter().chain(first), mounts, sections)?)
}
