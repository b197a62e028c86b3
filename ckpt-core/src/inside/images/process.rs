//! A process out of its images.

use criu_images::{
    CoreEntry, CredsEntry, FdinfoEntry, FsEntry, ImageError, Images, MmEntry, PstreeEntry, TASK_ALIVE, TASK_DEAD,
    TASK_STOPPED, TASK_ZOMBIE, TaskCoreEntry, TaskKobjIdsEntry,
};

use super::budget::Budget;
use super::files::Files;
use super::memory::Pages;
use super::optional::present;
use crate::host::byte_string::ByteString;
use crate::inside::error::InsideError;
use crate::inside::limit::Limit;
use crate::inside::open_file::Descriptor;
use crate::inside::process::{Credentials, Process, ProcessState, Thread, capabilities};
use crate::inside::sections::Sections;

/// `FD_CLOEXEC` of fcntl(2).
const CLOSE_ON_EXEC: u32 = 1;

/// Reads processes one by one.
pub(super) struct Reader<'r> {
    images: &'r Images,
    files: &'r Files,
    sections: &'r Sections,
    budget: &'r mut Budget,
}

impl<'r> Reader<'r> {
    pub(super) fn new(images: &'r Images, files: &'r Files, sections: &'r Sections, budget: &'r mut Budget) -> Self {
        Reader { images, files, sections, budget }
    }

    /// The process `task`.
    pub(super) fn process(&mut self, task: &PstreeEntry) -> Result<Process, InsideError> {
        let core: CoreEntry = self.images.message(&format!("core-{}.img", task.pid))?;
        let of_task = core.task.unwrap_or_default();
        let state = state(of_task.state);
        let thread = core.thread.unwrap_or_default();
        let mut process = Process {
            pid: task.pid,
            parent_pid: task.ppid,
            depth: 0,
            group_id: task.pgid,
            session_id: task.sid,
            exit_status: (!state.is_alive()).then_some(of_task.exit_code),
            threads: self.threads(task, state, &of_task.comm)?,
            executable: None,
            command_line: None,
            memory: None,
            credentials: thread.creds.as_ref().map(credentials),
            environment: None,
            working_directory: None,
            root: None,
            files: None,
            sockets: None,
            limits: self.sections.limits.then(|| limits(&of_task)),
            name: of_task.comm.into(),
            state,
        };
        self.budget.spend(size_of::<Process>())?;
        if state.is_alive() {
            self.add_memory(&mut process)?;
            self.add_files(&mut process, core.ids.map(|ids| ids.files_id))?;
        }
        Ok(process)
    }

    fn threads(&mut self, task: &PstreeEntry, state: ProcessState, name: &[u8]) -> Result<Vec<Thread>, InsideError> {
        if !state.is_alive() {
            return Ok(Vec::new());
        }
        let mut threads = Vec::new();
        for &tid in &task.threads {
            let name = if tid == task.pid { name.into() } else { self.thread_name(tid)? };
            self.budget.spend(name.0.len())?;
            threads.push(Thread { tid, name });
        }
        Ok(threads)
    }

    fn thread_name(&self, tid: u32) -> Result<ByteString, InsideError> {
        let core: CoreEntry = self.images.message(&format!("core-{tid}.img"))?;
        Ok(core.thread.and_then(|thread| thread.comm).unwrap_or_default().into())
    }

    fn add_memory(&mut self, process: &mut Process) -> Result<(), InsideError> {
        let mm = match self.images.message::<MmEntry>(&format!("mm-{}.img", process.pid)) {
            Ok(mm) => mm,
            Err(error) => return Ok(present(error)?),
        };
        let pages = Pages::read(self.images, process.pid)?;
        process.executable = self.files.path(mm.exe_file_id);
        process.command_line = self.paid(pages.words(mm.arg_start, mm.arg_end)?)?;
        if self.sections.environment {
            process.environment = self.paid(pages.words(mm.env_start, mm.env_end)?)?;
        }
        process.memory = Some(pages.memory(&mm, self.files)?);
        Ok(())
    }

    fn paid(&mut self, words: Option<Vec<ByteString>>) -> Result<Option<Vec<ByteString>>, InsideError> {
        words.iter().flatten().try_for_each(|word| self.budget.spend(word.0.len()))?;
        Ok(words)
    }

    fn add_files(&mut self, process: &mut Process, in_core: Option<u32>) -> Result<(), InsideError> {
        let Sections { files, sockets, .. } = *self.sections;
        if files {
            match self.images.message::<FsEntry>(&format!("fs-{}.img", process.pid)) {
                Ok(fs) => {
                    process.working_directory = self.files.path(fs.cwd_id);
                    process.root = self.files.path(fs.root_id);
                }
                Err(error) => present(error)?,
            }
        }
        if files || sockets {
            let descriptors = self.descriptors(process.pid, in_core)?;
            process.sockets =
                sockets.then(|| descriptors.iter().filter(|descriptor| descriptor.file.is_socket()).cloned().collect());
            process.files = files.then_some(descriptors);
        }
        Ok(())
    }

    fn descriptors(&mut self, pid: u32, in_core: Option<u32>) -> Result<Vec<Descriptor>, InsideError> {
        let files_id = match self.images.message::<TaskKobjIdsEntry>(&format!("ids-{pid}.img")) {
            Ok(ids) => Some(ids.files_id),
            Err(error) => {
                present(error)?;
                in_core
            }
        };
        let Some(files_id) = files_id else { return Ok(Vec::new()) };
        let entries = match self.images.messages::<FdinfoEntry>(&format!("fdinfo-{files_id}.img")) {
            Ok(entries) => entries,
            // All are the same as another process's, or none is open.
            Err(error @ ImageError::Missing { .. }) => {
                present(error)?;
                return Ok(Vec::new());
            }
            Err(error) => return Err(error.into()),
        };
        let mut descriptors = Vec::new();
        for entry in entries.iter() {
            let entry = entry?;
            let file = self.files.get(entry.id);
            self.budget.spend(file.shown_bytes())?;
            descriptors.push(Descriptor { fd: entry.fd, close_on_exec: entry.flags & CLOSE_ON_EXEC != 0, file });
        }
        descriptors.sort_by_key(|descriptor| descriptor.fd);
        Ok(descriptors)
    }
}

fn state(number: u32) -> ProcessState {
    match number {
        TASK_ALIVE => ProcessState::Running,
        TASK_STOPPED => ProcessState::Stopped,
        // CRIU has one word for both (`dump_zombies` in criu/cr-dump.c).
        TASK_ZOMBIE | TASK_DEAD => ProcessState::Zombie,
        _ => ProcessState::Unknown,
    }
}

fn limits(task: &TaskCoreEntry) -> Vec<Limit> {
    let entries = task.rlimits.iter().flat_map(|limits| &limits.rlimits).take(64);
    entries.enumerate().map(|(number, limit)| Limit::numbered(number, limit.cur, limit.max)).collect()
}

fn credentials(creds: &CredsEntry) -> Credentials {
    let bits = |words: &[u32]| match *words {
        [low] => low.into(),
        [low, high, ..] => u64::from(low) | u64::from(high) << 32,
        [] => 0,
    };
    Credentials {
        uid: creds.uid,
        gid: creds.gid,
        effective_uid: creds.euid,
        effective_gid: creds.egid,
        groups: creds.groups.iter().take(1 << 16).copied().collect(),
        effective_capabilities: capabilities(bits(&creds.cap_eff)),
        bounding_capabilities: capabilities(bits(&creds.cap_bnd)),
        no_new_privileges: creds.no_new_privs.is_some_and(|set| set != 0),
    }
}
