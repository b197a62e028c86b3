//! What a checkpoint will do, decided before anything is touched.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aligntar::{Alignment, ClonePolicy};
use layerfs::Layers;
use serde::Deserialize;

use super::destination::Destination;
use super::init::Init;
use super::volume::{Draft, Volume};
use super::{CheckpointError, CheckpointOptions, Compression, precheck};
use crate::criu::arrival;
use crate::engine::{ContainerFacts, Engine, EngineError, Podman, bundle, cgroup, storage};
use crate::host::interrupt::Interrupt;
use crate::host::output::Output;
use crate::host::programs::ProgramError;
use crate::progress::Progress;

/// Everything a checkpoint needs to know.
#[derive(Debug)]
pub(crate) struct CheckpointPlan {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) facts: ContainerFacts,
    pub(crate) init: Init,
    pub(crate) layers: Layers,
    pub(crate) volumes: Vec<Volume>,
    /// The memory at the container's /dev/shm, on the host; none where it is not podman's.
    pub(crate) shm: Option<PathBuf>,
    pub(crate) output: Destination,
    /// Beside the storage, where the archive is made if `output` is too far away, or compressed. It gets its name only
    /// if the archive does not arrive and the container cannot be brought back.
    pub(crate) stage: Option<Output>,
    /// Where an archive is kept that could not get to `output`.
    pub(crate) rescue: PathBuf,
    /// Why the storage's files are copied; none where they are cloned.
    pub(crate) copied_for: Option<&'static str>,
}

const NO_REFLINK: &str = "the container storage cannot clone into the archive (no reflink, as on BTRFS or XFS)";
const NO_ROOM: &str = "there is no room to make the archive beside the container storage";

impl CheckpointPlan {
    pub(crate) fn make(
        podman: Podman,
        options: &CheckpointOptions,
        progress: &mut dyn Progress,
    ) -> Result<Self, CheckpointError> {
        let facts = podman.inspect(&options.container)?;
        if facts.state.status != "running" {
            let (name, status) = (options.container.clone(), facts.state.status);
            let why = arrival::lost(&facts.id).map(CheckpointError::Memory);
            return Err(why.unwrap_or(CheckpointError::NotRunning { name, status }));
        }
        // One that was killed and runs was begun anew.
        arrival::forget(|id| id == facts.id);
        // CRIU cannot dump memory that is still to come.
        arrival::wait(&facts.id, options.interrupt.as_ref(), progress)?;
        let init = Init::of(facts.state.pid);
        check_facts(&facts, &options.container)?;
        precheck::check(&podman, &facts, options, progress)?;
        if facts.graph_driver.name != "overlay" {
            return Err(storage::StorageError::Driver { driver: facts.graph_driver.name }.into());
        }
        let (store, layers) = storage::of_container(&podman, &facts)?;
        precheck::check_image(&facts, &store, options)?;
        let output = Destination::open(
            &options.export,
            &facts.name,
            store.graph_root(),
            options.packing(),
            options.interrupt.as_ref(),
        )?;
        let rescue = store.graph_root().join(format!("ckpt-rescue-{}.tar", facts.id));
        let (stage, can_clone) = place(&layers, &rescue, &output, options.compress)?;
        let shm = podmans_shm(bundle(&facts))?;
        let engine = Box::new(podman.until(None));
        let (volumes, copied_for) = (Vec::new(), (!can_clone).then_some(NO_REFLINK));
        let plan = CheckpointPlan { engine, facts, init, layers, volumes, shm, output, stage, rescue, copied_for };
        plan.with_volumes(options)
    }

    /// Looks how each volume gets into the draft.
    fn with_volumes(self, options: &CheckpointOptions) -> Result<Self, CheckpointError> {
        if options.ignore_volumes {
            return Ok(self);
        }
        let upperdir = &self.layers.upperdir;
        let metadata = upperdir.metadata();
        let metadata = metadata.map_err(|source| CheckpointError::Bundle { path: upperdir.clone(), source })?;
        let (file, storage_device, can_clone) = (self.draft(), metadata.dev(), self.can_clone());
        let draft = Draft { file, storage_device, can_clone, policy: options.clone_policy };
        let volumes = Volume::of_container(&self.facts, &draft);
        Ok(CheckpointPlan { volumes, ..self })
    }

    /// Whether there is a stage that could be done without: for its clones alone.
    pub(super) fn can_go_straight(&self, options: &CheckpointOptions) -> bool {
        let is_for_clones = self.stage.is_some() && self.can_clone() && options.clone_policy == ClonePolicy::IfPossible;
        is_for_clones && options.compress == Compression::None && self.output.file().is_some()
    }

    /// The same without the stage, as there is no room for it: what would be cloned is copied to the output, at once.
    pub(super) fn straight(self, options: &CheckpointOptions) -> Result<Self, CheckpointError> {
        CheckpointPlan { stage: None, copied_for: Some(NO_ROOM), ..self }.with_volumes(options)
    }

    /// Whether the storage's files get into the draft by clone.
    pub(crate) fn can_clone(&self) -> bool {
        self.copied_for.is_none()
    }

    /// Folders whose files are taken, on disks that may differ; the upperdir first.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &Path> {
        let volumes = self.volumes.iter().map(|volume| volume.source.as_path());
        std::iter::once(self.layers.upperdir.as_path()).chain(volumes)
    }

    /// The file that the archive is made in.
    pub(crate) fn draft(&self) -> &File {
        draft(self.stage.as_ref(), &self.output)
    }

    /// Block size that member data is laid out on: what the file system clones.
    pub(crate) fn block_size(&self) -> u64 {
        Alignment::of(self.draft()).unwrap_or(Alignment::DEFAULT).bytes()
    }
}

/// Refuses, as [`checkpoint`](super::checkpoint) does, a container whose cgroup holds others than its own processes: CRIU
/// freezes it, also where podman has it do so. What podman knows nothing of it says itself.
///
/// # Errors
/// [`CheckpointError::Cgroup`]; that the `interrupt` was raised.
pub fn check_cgroup(container: &str, interrupt: Option<&Interrupt>) -> Result<(), CheckpointError> {
    match Podman::for_root().and_then(|podman| podman.until(interrupt).inspect(container)) {
        Err(error @ EngineError::External(ProgramError::Interrupted { .. })) => Err(error.into()),
        Ok(facts) if facts.state.status == "running" => check_facts(&facts, container),
        _ => Ok(()),
    }
}

fn check_facts(facts: &ContainerFacts, name: &str) -> Result<(), CheckpointError> {
    let checked = cgroup::check(facts.state.pid, &facts.id);
    checked.map_err(|source| CheckpointError::Cgroup { name: name.to_owned(), source })
}

/// The file beside the storage if there is one, else the last one itself.
fn draft<'p>(stage: Option<&'p Output>, output: &'p Destination) -> &'p File {
    stage.map(Output::file).or(output.file()).expect("there is a stage where the output is no file")
}

/// Where the archive is made, and whether it can be by clones: in the output itself if nothing speaks against it, else
/// beside the storage, so that the container does not stand still while data is compressed, copied, or waits for a reader.
fn place(
    layers: &Layers,
    rescue: &Path,
    output: &Destination,
    compress: Compression,
) -> Result<(Option<Output>, bool), CheckpointError> {
    if let (Compression::None, Some(output)) = (compress, output.file())
        && storage::can_clone(&layers.upperdir, output)?
    {
        return Ok((None, true));
    }
    let stage = Output::create(rescue)?;
    let can_clone = storage::can_clone(&layers.upperdir, stage.file())?;
    // Without clones a copy beside the storage would only be one copy more; compressing and streams need it all the same.
    let needed = can_clone || compress != Compression::None || output.file().is_none();
    Ok((needed.then_some(stage), can_clone))
}

/// The memory at /dev/shm that podman made, for the container or for its pod: `userdata/shm` of one of podman's bundles.
/// The host's, or what the user mounted there, is not the container's to take along.
fn podmans_shm(bundle: &Path) -> Result<Option<PathBuf>, CheckpointError> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(default)]
        mounts: Vec<Mount>,
    }
    #[derive(Deserialize)]
    struct Mount {
        destination: PathBuf,
        #[serde(default)]
        source: PathBuf,
    }
    let path = bundle.join("config.json");
    let error = |source| CheckpointError::Bundle { path: path.clone(), source };
    let config: Config =
        serde_json::from_slice(&fs::read(&path).map_err(error)?).map_err(|source| error(source.into()))?;
    let shm = config.mounts.into_iter().find(|mount| mount.destination == Path::new("/dev/shm"));
    let bundles = bundle.ancestors().nth(2);
    Ok(shm
        .map(|mount| mount.source)
        .filter(|source| source.ends_with("userdata/shm") && source.ancestors().nth(3) == bundles))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_memory_that_podman_made_is_the_containers() {
        let root = tempfile::tempdir().unwrap();
        let bundle = root.path().join("overlay-containers/abc/userdata");
        fs::create_dir_all(&bundle).unwrap();
        let pods = root.path().join("overlay-containers/pod/userdata/shm");
        let cases = [
            (bundle.join("shm"), true),
            (pods, true),
            ("/dev/shm".into(), false),
            ("/home/userdata/shm".into(), false),
        ];
        for (source, taken) in cases {
            let mounts = serde_json::json!({"mounts": [{"destination": "/proc"}, {"destination": "/dev/shm", "source": source}]});
            fs::write(bundle.join("config.json"), mounts.to_string()).unwrap();
            assert_eq!(podmans_shm(&bundle).unwrap(), taken.then_some(source));
        }
        fs::write(bundle.join("config.json"), "{}").unwrap();
        assert_eq!(podmans_shm(&bundle).unwrap(), None);
    }
}
