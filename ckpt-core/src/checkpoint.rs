//! `checkpoint`: freezes a container of podman and makes a file of it.
//!
//! ```text
//! plan ─ writeback ─ podman dumps ─┬─ frozen: clone everything ─┬─ podman exports ─ manifest ─ deliver ─ name
//!                                  └── anything wrong: undo ────┘
//! ```

mod capture;
mod deliver;
mod dump;
mod plan;
mod versions;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aligntar::{
    ClonePolicy, Limits, ReadError, Reader, StreamSource, Timestamp, Transferred, WriteError, WriteOptions, Writer,
};
use jiff::Timestamp as Now;

use crate::archive::{DELETED_FILES, DEVSHM, MANIFEST, ROOTFS_DIFF, VOLUMES};
use crate::child::{ChildError, Said};
use crate::criu_hook::HookCall;
use crate::diagnosis;
use crate::interrupt::Interrupt;
use crate::manifest::{FORMAT_VERSION, Manifest, ManifestContainer, ManifestImage};
use crate::output::OutputError;
use crate::podman::{self, PodmanError};
use crate::progress::{Phase, Progress};
use crate::rootfs::CaptureError;
use crate::session::SessionError;
use crate::storage::StorageError;
use capture::{Captured, capture, file};
pub use deliver::DeliverError;
use dump::{Dump, Event};
use plan::CheckpointPlan;

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all: data lies on blocks and can be cloned.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// zstd, on all cores.
    Zstd,
}

/// What to checkpoint, and how; names and meanings are podman's.
#[derive(Clone, Debug, Default)]
pub struct CheckpointOptions {
    /// Name or ID of a running container.
    pub container: String,
    /// The archive to make; an older file of that name is replaced at the very end.
    pub export: PathBuf,
    /// Leave the container running.
    pub leave_running: bool,
    /// Compression of the archive.
    pub compress: Compression,
    /// Leave changed files out.
    pub ignore_rootfs: bool,
    /// Leave named volumes out.
    pub ignore_volumes: bool,
    /// Keep CRIU's logs in the container's bundle.
    pub keep: bool,
    /// Checkpoint established TCP connections.
    pub tcp_established: bool,
    /// Checkpoint file locks.
    pub file_locks: bool,
    /// Whether data may, or must, be cloned.
    pub clone_policy: ClonePolicy,
    /// Stops the work: the dump is undone, if CRIU was not told to carry on yet.
    pub interrupt: Option<Interrupt>,
}

impl CheckpointOptions {
    /// The options that podman takes part in.
    fn podman_flags(&self) -> Vec<&'static str> {
        let flags = [
            (self.leave_running, "--leave-running"),
            (self.keep, "--keep"),
            (self.tcp_established, "--tcp-established"),
            (self.file_locks, "--file-locks"),
        ];
        flags.into_iter().filter_map(|(given, flag)| given.then_some(flag)).collect()
    }

    /// The options a restore in place needs as well.
    fn restore_flags(&self) -> Vec<&'static str> {
        let flags = self.podman_flags();
        flags.into_iter().filter(|flag| matches!(*flag, "--tcp-established" | "--file-locks")).collect()
    }

    fn flags(&self) -> Vec<String> {
        let ignored = [(self.ignore_rootfs, "--ignore-rootfs"), (self.ignore_volumes, "--ignore-volumes")];
        let ignored = ignored.into_iter().filter_map(|(given, flag)| given.then_some(flag));
        self.podman_flags().into_iter().chain(ignored).map(str::to_owned).collect()
    }
}

/// What a checkpoint did.
#[derive(Clone, Debug)]
pub struct CheckpointReport {
    /// The container's ID.
    pub id: String,
    /// From the first look to the named archive.
    pub elapsed: Duration,
    /// From the first task stopped to the last one running or gone, as CRIU measured it.
    pub frozen: Option<Duration>,
    /// Of that, the time in which files were taken.
    pub capture: Duration,
    /// Members, those of nested archives included.
    pub members: u64,
    /// How the data moved into the archive.
    pub moved: Transferred,
    /// podman's `--print-stats`.
    pub podman_stats: serde_json::Value,
}

/// Why there is no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// CRIU, overlay and podman's storage are root's.
    #[error("only root can checkpoint containers: try again with sudo")]
    NotRoot,
    /// The container does not run.
    #[error("container {name:?} is {status}: only a running container can be checkpointed")]
    NotRunning {
        /// As the caller named it.
        name: String,
        /// podman's word.
        status: String,
    },
    /// podman failed.
    #[error(transparent)]
    Podman(#[from] PodmanError),
    /// The storage is of no use.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The archive cannot be where it should.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// No file can be made beside the storage.
    #[error("create a file in {}", folder.display())]
    Stage {
        /// The folder.
        folder: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Dirty pages could not be written out.
    #[error("write out the dirty pages of {}", path.display())]
    Writeback {
        /// The storage.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The dump did not come to be, or its files could not be taken. The container runs on.
    #[error("checkpoint of {name:?} failed, the container keeps running")]
    Dump {
        /// As the caller named it.
        name: String,
        /// Why.
        #[source]
        source: Box<DumpError>,
    },
    /// The dump succeeded, and something after it did not.
    #[error("checkpoint of {name:?} failed after the dump, {state}")]
    AfterDump {
        /// As the caller named it.
        name: String,
        /// What became of the container.
        state: AfterDumpState,
        /// Why.
        #[source]
        source: Box<DumpError>,
    },
}

/// What became of a container whose checkpoint failed after the dump.
#[derive(Debug)]
pub enum AfterDumpState {
    /// It never stopped.
    LeftRunning,
    /// It was restored from the images in its bundle.
    Restored,
    /// It could not be; `podman container restore` may.
    Stopped {
        /// The container's ID.
        id: String,
        /// What podman said.
        why: Box<PodmanError>,
    },
}

impl std::fmt::Display for AfterDumpState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AfterDumpState::LeftRunning => write!(formatter, "the container keeps running"),
            AfterDumpState::Restored => write!(formatter, "the container was restored and runs"),
            AfterDumpState::Stopped { id, why } => {
                write!(formatter, "the container is stopped ({why}): `podman container restore {id}` brings it back")
            }
        }
    }
}

/// What can go wrong from podman's start to the named archive.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The session's folder could not be made.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// podman could not be started, or not be waited for.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// The caller wished it.
    #[error("interrupted")]
    Interrupted,
    /// podman died while the container was frozen.
    #[error("podman ended in the middle of the dump")]
    PodmanGone,
    /// The rest of podman's export could not be read.
    #[error("read podman's export to its end")]
    Drain(#[source] io::Error),
    /// CRIU's script could not be talked to.
    #[error("talk to CRIU's post-dump script")]
    Hook(#[source] io::Error),
    /// Files could not be taken.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The archive could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// podman's export could not be read.
    #[error("read podman's export")]
    Export(#[from] ReadError),
    /// podman failed.
    #[error("{message}")]
    Podman {
        /// Its last words, and those of CRIU or `criu check`.
        message: String,
    },
    /// podman dumped, but CRIU never called.
    #[error("CRIU did not run the post-dump script: does the runtime use another criu than the one in PATH?")]
    NoHook,
    /// The archive could not get to its place.
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    /// The archive could not get its name.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The archive would not fit in its place.
    #[error("no space left: the archive needs {needed} bytes, its file system has {available}")]
    NoSpace {
        /// Bytes.
        needed: u64,
        /// Bytes.
        available: u64,
    },
    /// The target's free space is unknown.
    #[error("ask for the free space of the archive's file system")]
    Space(#[source] io::Error),
}

/// Freezes a container, makes an archive of it, and stops it unless it is to be left running.
///
/// # Errors
/// [`CheckpointError`]; each says whether the container runs.
///
/// # Atomicity
/// The archive appears under its name when it is whole and synced, or not at all.
pub fn checkpoint(
    options: &CheckpointOptions,
    progress: &mut dyn Progress,
) -> Result<CheckpointReport, CheckpointError> {
    let started = Instant::now();
    let plan = CheckpointPlan::make(options)?;
    warn(&plan, progress);
    progress.phase(Phase::Writeback);
    write_back(&plan)?;
    let mut run = Run { plan: &plan, options, progress, dumped: false, capture: Duration::ZERO };
    let (podman_stats, written) = match run.dump_and_deliver() {
        Ok(done) => done,
        Err(source) => return Err(run.failed(source)),
    };
    let id = plan.facts.id.clone();
    let capture = run.capture;
    let published = plan.output.publish();
    published.map_err(|source| after_dump(&plan.podman, &id, options, source.into()))?;
    Ok(CheckpointReport {
        id,
        elapsed: started.elapsed(),
        frozen: frozen_time(&podman_stats),
        capture,
        members: written.members,
        moved: written.moved,
        podman_stats,
    })
}

fn warn(plan: &CheckpointPlan, progress: &mut dyn Progress) {
    if !plan.can_clone {
        progress.warning(
            "the container storage cannot clone into the archive (no reflink, as on BTRFS or XFS): \
             files are copied while the container is frozen",
        );
    }
}

/// A clone of a file with dirty pages writes them out first (ioctl_ficlonerange(2)): better before the freeze.
fn write_back(plan: &CheckpointPlan) -> Result<(), CheckpointError> {
    let path = &plan.layers.upperdir;
    let error = |source| CheckpointError::Writeback { path: path.clone(), source };
    let upperdir = File::open(path).map_err(error)?;
    rustix::fs::syncfs(upperdir).map_err(|errno| error(errno.into()))
}

/// CRIU's `frozen_time`, in microseconds, of podman's `--print-stats`.
fn frozen_time(podman_stats: &serde_json::Value) -> Option<Duration> {
    let frozen = podman_stats.pointer("/container_statistics/0/criu_statistics/frozen_time")?;
    frozen.as_u64().map(Duration::from_micros)
}

/// Puts things right after a failure behind the dump, and says how they stand.
fn after_dump(podman: &podman::Podman, id: &str, options: &CheckpointOptions, source: DumpError) -> CheckpointError {
    // Asked of podman, for it is not ours to say: CRIU or podman may have failed before the tasks ended.
    let runs = podman.inspect(id).is_ok_and(|facts| facts.state.status == "running");
    let state = if runs {
        AfterDumpState::LeftRunning
    } else {
        match podman.restore_in_place(id, &options.restore_flags()) {
            Ok(()) => AfterDumpState::Restored,
            Err(why) => AfterDumpState::Stopped { id: id.to_owned(), why: Box::new(why) },
        }
    };
    CheckpointError::AfterDump { name: options.container.clone(), state, source: Box::new(source) }
}

/// A checkpoint on its way from the running container to the archive without a name.
struct Run<'r> {
    plan: &'r CheckpointPlan,
    options: &'r CheckpointOptions,
    progress: &'r mut dyn Progress,
    /// Whether CRIU was told to carry on, and podman did.
    dumped: bool,
    capture: Duration,
}

impl Run<'_> {
    fn failed(&self, source: DumpError) -> CheckpointError {
        if self.dumped {
            return after_dump(&self.plan.podman, &self.plan.facts.id, self.options, source);
        }
        CheckpointError::Dump { name: self.options.container.clone(), source: Box::new(source) }
    }

    fn dump_and_deliver(&mut self) -> Result<(serde_json::Value, aligntar::Written), DumpError> {
        let versions = versions::ask(&self.plan.podman, &self.plan.facts.oci_runtime);
        let mut manifest = self.manifest();
        let now = Timestamp { secs: Now::now().as_second(), nanos: 0 };
        let options = WriteOptions { alignment: None, clone_policy: self.options.clone_policy };
        let mut writer = Writer::new(self.plan.draft(), 0, options)?;
        let said = self.dump(&mut writer, now, &mut manifest)?;
        // The container is what counts: statistics that cannot be read are no reason to throw it away.
        let podman_stats = serde_json::from_slice(&said.stdout).unwrap_or_default();
        manifest.versions = versions.collect();
        manifest.count(writer.members(), writer.moved());
        let json = serde_json::to_vec_pretty(&manifest).expect("a manifest is JSON");
        writer.append_bytes(&file(MANIFEST, now, json.len()), &json)?;
        let written = writer.finish()?;
        if let Some(stage) = &self.plan.stage {
            self.progress.phase(Phase::Deliver);
            deliver::deliver(stage, self.plan.output.file(), self.options.compress)?;
        }
        Ok((podman_stats, written))
    }

    /// Runs podman to its end; what belongs into the archive is in the writer then.
    fn dump(&mut self, writer: &mut Writer<'_>, now: Timestamp, manifest: &mut Manifest) -> Result<Said, DumpError> {
        self.progress.phase(Phase::Dump);
        let mut dump = Dump::start(self.plan, self.options)?;
        let mut captured: Option<Result<Captured, DumpError>> = None;
        let mut exported = Ok(());
        loop {
            match dump.next_event()? {
                Event::Frozen(call) => {
                    // CRIU calls twice if the runtime has it read the same configuration twice.
                    let taken = captured.get_or_insert_with(|| self.capture(&call, &dump, writer, now));
                    let answered = if taken.is_ok() { call.carry_on() } else { call.abort() };
                    match answered {
                        Ok(()) => self.dumped |= taken.is_ok(),
                        // The script is gone without a verdict, so CRIU undoes the dump.
                        Err(error) => *taken = Err(DumpError::Hook(error)),
                    }
                }
                Event::Export(stream) => {
                    self.progress.phase(Phase::Export);
                    let captured = captured.as_ref().and_then(|captured| captured.as_ref().ok());
                    exported = export(stream, captured, writer);
                }
                Event::Ended => break,
            }
        }
        let said = dump.finish()?;
        let captured = match captured {
            Some(captured) => captured?,
            None if said.status.success() => {
                self.dumped = true;
                return Err(DumpError::NoHook);
            }
            None => return Err(self.podman_failed(&said)),
        };
        if !said.status.success() {
            return Err(self.podman_failed(&said));
        }
        exported?;
        manifest.sockets = captured.sockets;
        Ok(said)
    }

    fn capture(
        &mut self,
        call: &HookCall,
        dump: &Dump,
        writer: &mut Writer<'_>,
        now: Timestamp,
    ) -> Result<Captured, DumpError> {
        let started = Instant::now();
        self.progress.phase(Phase::Capture);
        let captured = capture(self.plan, self.options, call.image_dir(), now, writer, self.progress)?;
        writer.flush()?;
        self.check_space()?;
        self.capture = started.elapsed();
        if self.options.interrupt.as_ref().is_some_and(Interrupt::is_raised) {
            return Err(DumpError::Interrupted);
        }
        if dump.has_ended() {
            return Err(DumpError::PodmanGone);
        }
        Ok(captured)
    }

    /// A staged archive has to fit where it goes; the time to find out is while the container can still run on.
    fn check_space(&self) -> Result<(), DumpError> {
        let (Some(stage), Compression::None) = (&self.plan.stage, self.options.compress) else { return Ok(()) };
        let target = rustix::fs::fstatvfs(self.plan.output.file()).map_err(|errno| DumpError::Space(errno.into()))?;
        let staged = stage.metadata().map_err(DumpError::Space)?;
        let needed = std::os::unix::fs::MetadataExt::blocks(&staged) * 512;
        let available = target.f_bavail * target.f_frsize;
        if needed > available { Err(DumpError::NoSpace { needed, available }) } else { Ok(()) }
    }

    fn podman_failed(&self, said: &Said) -> DumpError {
        let words = podman::last_words(&said.stderr);
        DumpError::Podman { message: diagnosis::of_dump(&words, podman::bundle(&self.plan.facts)) }
    }

    fn manifest(&self) -> Manifest {
        let facts = &self.plan.facts;
        let layer_name = |diff: &PathBuf| Some(diff.parent()?.file_name()?.to_string_lossy().into_owned());
        Manifest {
            format_version: FORMAT_VERSION,
            tool: concat!("ckpt ", env!("CARGO_PKG_VERSION")).to_owned(),
            created: Now::now().to_string(),
            block_size: self.plan.block_size(),
            container: ManifestContainer { id: facts.id.clone(), name: facts.name.clone() },
            image: ManifestImage {
                id: facts.image.clone(),
                name: facts.image_name.clone(),
                layers: self.plan.layers.lowerdirs.iter().filter_map(layer_name).collect(),
            },
            flags: self.options.flags(),
            ..Manifest::default()
        }
    }
}

/// Takes podman's metadata out of its export, and reads it to the end whatever happens: a closed FIFO would make
/// podman fail after it has stopped the container.
fn export(stream: File, captured: Option<&Captured>, writer: &mut Writer<'_>) -> Result<(), DumpError> {
    let source = StreamSource::new(BufReader::with_capacity(1 << 20, stream));
    let mut reader = Reader::new(source, Limits::default());
    let taken = take_metadata(&mut reader, captured, writer);
    let drained = reader.into_source().drain();
    taken?;
    drained.map_err(DumpError::Drain)
}

fn take_metadata(
    reader: &mut Reader<StreamSource<BufReader<File>>>,
    captured: Option<&Captured>,
    writer: &mut Writer<'_>,
) -> Result<(), DumpError> {
    while let Some(entry) = reader.next_entry()? {
        let path = &entry.member.path[..];
        let taken_before = match path {
            path if path == DEVSHM.as_bytes() || path == ROOTFS_DIFF.as_bytes() => true,
            path if path == DELETED_FILES.as_bytes() || path.starts_with(VOLUMES.as_bytes()) => true,
            _ => captured.is_none_or(|captured| captured.taken.contains(path)),
        };
        if !taken_before {
            writer.append_stream(&entry.member, &mut reader.data(&entry))?;
        }
    }
    Ok(())
}
