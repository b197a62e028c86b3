//! A checkpoint on its way from the running container to the archive without a name.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aligntar::{Timestamp, Transferred, WriteOptions, Writer, Written};
use jiff::Timestamp as Now;
use tracing::debug;

use super::capture::{Captured, capture};
use super::dump::{Dump, Event, GRACE};
use super::estimate::Estimate;
use super::export::export;
use super::failure::after_failure;
use super::freeze::FreezeWatch;
use super::images::{Images, ImagesWriteback};
use super::plan::CheckpointPlan;
use super::volume::Volume;
use super::{CheckpointError, CheckpointOptions, Compression, DumpError, deliver, passes, precheck};
use crate::archive::manifest::{FORMAT_VERSION, Manifest, ManifestContainer, ManifestImage, Versions};
use crate::archive::own_member::file;
use crate::archive::{CHECKPOINT, MANIFEST, limits};
use crate::criu::hook::HookCall;
use crate::criu::link_remaps::{self, LinkRemaps};
use crate::engine::cgroup::in_cgroup_of;
use crate::engine::words::why_it_failed;
use crate::engine::{bundle, diagnosis};
use crate::host::child::Said;
use crate::host::interrupt::Interrupt;
use crate::host::pipe::Incoming;
use crate::progress::{Phase, Progress};
use crate::recovery;

/// A checkpoint on its way from the running container to the archive without a name.
pub(super) struct Run<'r> {
    plan: &'r CheckpointPlan,
    options: &'r CheckpointOptions,
    versions: Versions,
    progress: &'r mut dyn Progress,
    /// What the freeze will take.
    pub(super) estimate: Estimate,
    /// What CRIU may leave in the container if it is killed.
    remaps: Option<LinkRemaps>,
    /// Whether CRIU was told to carry on, and podman did.
    dumped: bool,
    pub(super) observed_frozen: Option<Duration>,
    pub(super) capture: Duration,
    /// What was moved in that time.
    pub(super) capture_moved: Transferred,
    /// Whether the archive is whole, though not in its place yet.
    pub(super) complete: bool,
}

/// What of a dump is taken so far.
struct Taken {
    writeback: Option<ImagesWriteback>,
    /// None until CRIU has called.
    captured: Option<Result<(Captured, Images), DumpError>>,
    exported: Result<(), DumpError>,
}

impl Taken {
    fn new(writeback: ImagesWriteback) -> Self {
        Taken { writeback: Some(writeback), captured: None, exported: Ok(()) }
    }

    fn images(&self) -> Option<&Images> {
        self.captured.as_ref()?.as_ref().ok().map(|(_, images)| images)
    }
}

impl<'r> Run<'r> {
    pub(super) fn new(
        plan: &'r CheckpointPlan,
        options: &'r CheckpointOptions,
        versions: Versions,
        estimate: Estimate,
        progress: &'r mut dyn Progress,
    ) -> Self {
        Run {
            plan,
            options,
            versions,
            estimate,
            progress,
            remaps: None,
            dumped: false,
            observed_frozen: None,
            capture: Duration::ZERO,
            capture_moved: Transferred::default(),
            complete: false,
        }
    }

    pub(super) fn failed(&mut self, source: DumpError) -> CheckpointError {
        if let Err(error) = recovery::thaw(&*self.plan.engine, &self.plan.facts.id) {
            self.progress.warning(&format!("the container may be frozen: {error}"));
        }
        let CheckpointPlan { engine, facts, init, .. } = self.plan;
        let left = self.remaps.take().map(|remaps| remaps.take_back(in_cgroup_of(&facts.id)));
        if let Some(warning) = left.and_then(|left| link_remaps::warning(&left)) {
            self.progress.warning(&warning);
        }
        after_failure(&**engine, (&facts.id, init), self.options, self.dumped, source)
    }

    pub(super) fn dump_and_deliver(&mut self) -> Result<(serde_json::Value, Written), DumpError> {
        let mut manifest = self.manifest();
        let now = Timestamp { secs: Now::now().as_second(), nanos: 0 };
        let options = WriteOptions { clone_policy: self.options.clone_policy, ..WriteOptions::default() };
        let mut writer = Writer::new(self.plan.draft(), options)?;
        if let Some(rehearsal) = passes::make(self.plan, self.options, &mut writer, self.progress)? {
            self.estimate.rehearsed(&rehearsal);
        }
        if let Some(warning) = self.estimate.warning() {
            self.progress.warning(&warning);
        }
        let said = self.dump(&mut writer, now, &mut manifest)?;
        // The container is what counts: statistics that cannot be read are no reason to throw it away.
        let podman_stats = serde_json::from_slice(&said.stdout).unwrap_or_default();
        manifest.count(writer.members(), writer.moved());
        manifest.frozen_us = self.observed_frozen.map(|frozen| frozen.as_micros() as u64);
        let json = encoded(&manifest)?;
        writer.append_bytes(&file(MANIFEST, now, json.len()), &json)?;
        let written = writer.finish()?;
        self.complete = true;
        if let Some(stage) = &self.plan.stage {
            self.progress.phase(Phase::Deliver);
            deliver::deliver(stage.file(), &self.plan.output, self.options.compress)?;
        }
        Ok((podman_stats, written))
    }

    /// Runs podman to its end; what belongs into the archive is in the writer then.
    fn dump(&mut self, writer: &mut Writer<'_>, now: Timestamp, manifest: &mut Manifest) -> Result<Said, DumpError> {
        self.progress.phase(Phase::Dump);
        let watch = FreezeWatch::begin(self.plan.facts.state.pid);
        let CheckpointPlan { facts, .. } = self.plan;
        let remaps = self.remaps.insert(LinkRemaps::expect(facts.state.pid, in_cgroup_of(&facts.id)));
        let mut dump = Dump::start(self.plan, self.options, &self.versions.criu, remaps, self.progress)?;
        let mut taken = Taken::new(ImagesWriteback::begin(bundle(&self.plan.facts).join(CHECKPOINT)));
        if let Err(error) = self.serve(&mut dump, &mut taken, writer, now) {
            dump.abandon(self.progress);
            return Err(error);
        }
        let said = dump.finish(self.progress)?;
        self.observed_frozen = watch.end();
        let captured = self.whole(taken, &said)?;
        captured.written_by_others().chain(captured.lost_flags()).for_each(|line| self.progress.warning(&line));
        manifest.sockets = captured.sockets;
        manifest.rootfs = captured.rootfs;
        Ok(said)
    }

    /// Takes what is there to be taken each time, until podman ends.
    fn serve(
        &mut self,
        dump: &mut Dump,
        taken: &mut Taken,
        writer: &mut Writer<'_>,
        now: Timestamp,
    ) -> Result<(), DumpError> {
        loop {
            match dump.next_event(self.options.interrupt.as_ref())? {
                Event::Frozen(call) => self.take_frozen(call, dump, taken, writer, now),
                Event::Export(stream) => self.take_export(stream, taken, writer, now)?,
                Event::Ended => return Ok(()),
            }
        }
    }

    /// CRIU calls twice if the runtime has it read the same configuration twice.
    fn take_frozen(&mut self, call: HookCall, dump: &Dump, taken: &mut Taken, writer: &mut Writer<'_>, now: Timestamp) {
        let captured = taken.captured.get_or_insert_with(|| self.capture(&call, dump, writer, now));
        let answered = if captured.is_ok() { call.carry_on() } else { call.abort() };
        match answered {
            Ok(()) => self.dumped |= captured.is_ok(),
            // The script is gone without a verdict, so CRIU undoes the dump.
            Err(error) => *captured = Err(DumpError::Hook(error)),
        }
    }

    /// Reads all of podman's export, whatever fails before. Only an interrupt ends it.
    fn take_export(
        &mut self,
        stream: File,
        taken: &mut Taken,
        writer: &mut Writer<'_>,
        now: Timestamp,
    ) -> Result<(), DumpError> {
        self.progress.phase(Phase::Export);
        drop(taken.writeback.take());
        let images = taken.images();
        let rest = images.map_or(Ok(()), |images| self.take_the_rest(images, now, writer));
        match export(Incoming::new(stream, self.options.interrupt.as_ref(), GRACE), images, writer) {
            Err(DumpError::Interrupted) => Err(DumpError::Interrupted),
            exported => {
                taken.exported = rest.and(exported);
                Ok(())
            }
        }
    }

    /// What was captured, if nothing failed; podman has ended and `said` why.
    fn whole(&mut self, taken: Taken, said: &Said) -> Result<Captured, DumpError> {
        let (captured, _images) = match taken.captured {
            Some(captured) => captured?,
            None if said.status.success() => {
                self.dumped = true;
                return Err(DumpError::NoHook);
            }
            None => return Err(self.podman_failed(said)),
        };
        if !said.status.success() {
            return Err(self.podman_failed(said));
        }
        taken.exported?;
        Ok(captured)
    }

    fn capture(
        &mut self,
        call: &HookCall,
        dump: &Dump,
        writer: &mut Writer<'_>,
        now: Timestamp,
    ) -> Result<(Captured, Images), DumpError> {
        let started = Instant::now();
        self.progress.phase(Phase::Capture);
        let captured = capture(self.plan, self.options, now, writer, self.progress)?;
        writer.flush()?;
        let images = Images::of_dump(call.image_dir())?;
        let (sockets, rootfs) = (captured.sockets.clone(), captured.rootfs.clone());
        encoded(&Manifest { sockets, rootfs, ..self.manifest() })?;
        self.check_space(&images, writer.unsettled_bytes())?;
        (self.capture, self.capture_moved) = (started.elapsed(), writer.moved());
        let (capture_us, clone_calls) = (self.capture.as_micros() as u64, self.capture_moved.clone_calls);
        debug!(capture_us, clone_calls, "the files are taken, and the container is still frozen");
        if self.options.interrupt.as_ref().is_some_and(Interrupt::is_raised) {
            return Err(DumpError::Interrupted);
        }
        if dump.has_ended() {
            return Err(DumpError::PodmanGone);
        }
        Ok((captured, images))
    }

    /// Brings in what no longer changes: CRIU's images, and volumes that were staged.
    fn take_the_rest(&mut self, images: &Images, now: Timestamp, writer: &mut Writer<'_>) -> Result<(), DumpError> {
        writer.settle()?;
        images.append_to(writer, self.progress)?;
        for volume in &self.plan.volumes {
            volume.append_staged(now, writer)?;
        }
        Ok(writer.flush()?)
    }

    /// What is still to be copied has to fit where it goes; the time to find out is while the container can still run
    /// on: staged volumes to the draft, the images too if they cannot be cloned, and a staged archive to its place. What
    /// the last of several passes wrote may have to be moved within the draft.
    fn check_space(&self, images: &Images, unsettled: u64) -> Result<(), DumpError> {
        let volumes = self.plan.volumes.iter().map(Volume::staged_bytes).sum::<io::Result<u64>>();
        let volumes = volumes.map_err(DumpError::Space)?;
        let copied_images = if self.plan.can_clone() { 0 } else { images.disk_bytes() };
        has_room(self.plan.draft(), volumes + copied_images + unsettled)?;
        match (&self.plan.stage, self.plan.output.file(), self.options.compress) {
            (Some(stage), Some(output), Compression::None) => {
                let staged = stage.file().metadata().map_err(DumpError::Space)?.blocks() * 512;
                has_room(output, staged + volumes + images.disk_bytes())
            }
            _ => Ok(()),
        }
    }

    fn podman_failed(&self, said: &Said) -> DumpError {
        let words = why_it_failed(said);
        DumpError::Podman(diagnosis::of_dump(&words, bundle(&self.plan.facts), self.options.interrupt.as_ref()))
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
            versions: self.versions.clone(),
            special_volumes: precheck::special_volumes(facts).into_iter().map(str::to_owned).collect(),
            flags: self.options.flags(),
            save: self.options.save.clone(),
            ..Manifest::default()
        }
    }
}

/// The bytes of `ckpt.json`, if a restore reads as many.
fn encoded(manifest: &Manifest) -> Result<Vec<u8>, DumpError> {
    let json = serde_json::to_vec_pretty(manifest).expect("a manifest is JSON");
    limits::json(MANIFEST, &json)?;
    Ok(json)
}

/// Whether the file system of `target` has `needed` bytes free.
fn has_room(target: &File, needed: u64) -> Result<(), DumpError> {
    let space = rustix::fs::fstatvfs(target).map_err(|errno| DumpError::Space(errno.into()))?;
    let available = space.f_bavail * space.f_frsize;
    // Memory without a limit has no size.
    if needed > available && space.f_blocks > 0 { Err(DumpError::NoSpace { needed, available }) } else { Ok(()) }
}
