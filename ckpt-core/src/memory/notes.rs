//! The notes of a core file: what a process and its threads were (linux/elfcore.h, and linux/elf.h for the numbers), for
//! x86-64.

use criu_images::{
    CoreEntry, MmEntry, PstreeEntry, TASK_DEAD, TASK_STOPPED, TASK_ZOMBIE, ThreadInfoX86, UserX86FpregsEntry,
    UserX86RegsEntry,
};
use rustix::param::page_size;

use super::mapping::{Kind, Mapping};

const NT_PRSTATUS: u32 = 1;
const NT_FPREGSET: u32 = 2;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;

/// What of a command line fits into `elf_prpsinfo`, in bytes.
pub(super) const ARGUMENTS: usize = 80;
/// What of a name fits there, in bytes.
const NAME: usize = 16;

/// A thread: its ID, and its image.
pub(super) struct Thread {
    pub(super) id: u32,
    pub(super) core: CoreEntry,
    pub(super) registers: ThreadInfoX86,
}

/// A process as notes tell of it.
pub(super) struct Described<'d> {
    pub(super) task: &'d PstreeEntry,
    /// The process itself first.
    pub(super) threads: &'d [Thread],
    pub(super) mm: &'d MmEntry,
    pub(super) mappings: &'d [Mapping],
    /// Its command line, a zero behind each argument.
    pub(super) arguments: &'d [u8],
}

/// All notes, in the kernel's order (fs/binfmt_elf.c, `write_note_info`): those of the process are between the first two
/// of its first thread.
pub(super) fn notes(described: &Described<'_>) -> Vec<u8> {
    let mut notes = Vec::new();
    for (at, thread) in described.threads.iter().enumerate() {
        add(&mut notes, NT_PRSTATUS, &status(described.task, thread));
        if at == 0 {
            add(&mut notes, NT_PRPSINFO, &information(described, thread));
            let auxv: Vec<u8> = described.mm.auxv.iter().flat_map(|word| word.to_le_bytes()).collect();
            add(&mut notes, NT_AUXV, &auxv);
            add(&mut notes, NT_FILE, &files(described.mappings));
        }
        if let Some(registers) = &thread.registers.fpregs {
            add(&mut notes, NT_FPREGSET, &vector_registers(registers));
        }
    }
    notes
}

fn add(notes: &mut Vec<u8>, kind: u32, description: &[u8]) {
    const OWNER: &[u8; 5] = b"CORE\0";
    for word in [OWNER.len() as u32, description.len() as u32, kind] {
        notes.extend(word.to_le_bytes());
    }
    for part in [OWNER, description] {
        notes.extend(part);
        notes.resize(notes.len().next_multiple_of(4), 0);
    }
}

/// `struct elf_prstatus`.
fn status(task: &PstreeEntry, thread: &Thread) -> Vec<u8> {
    let mut bytes = vec![0; 336];
    let blocked = thread.core.thread.as_ref().and_then(|thread| thread.blk_sigset);
    bytes[24..32].copy_from_slice(&blocked.unwrap_or_default().to_le_bytes());
    for (at, id) in [(32, thread.id), (36, task.ppid), (40, task.pgid), (44, task.sid)] {
        bytes[at..at + 4].copy_from_slice(&id.to_le_bytes());
    }
    let registers = thread.registers.gpregs.unwrap_or_default();
    for (at, register) in general_registers(&registers).into_iter().enumerate() {
        bytes[112 + 8 * at..][..8].copy_from_slice(&register.to_le_bytes());
    }
    bytes[328..332].copy_from_slice(&u32::from(thread.registers.fpregs.is_some()).to_le_bytes());
    bytes
}

/// `struct user_regs_struct` (asm/user_64.h).
fn general_registers(registers: &UserX86RegsEntry) -> [u64; 27] {
    let r = registers;
    [
        r.r15, r.r14, r.r13, r.r12, r.bp, r.bx, r.r11, r.r10, r.r9, r.r8, r.ax, r.cx, r.dx, r.si, r.di, r.orig_ax,
        r.ip, r.cs, r.flags, r.sp, r.ss, r.fs_base, r.gs_base, r.ds, r.es, r.fs, r.gs,
    ]
}

/// `struct user_i387_struct` (asm/user_64.h).
fn vector_registers(registers: &UserX86FpregsEntry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    for half in [registers.cwd, registers.swd, registers.twd, registers.fop] {
        bytes.extend((half as u16).to_le_bytes());
    }
    bytes.extend(registers.rip.to_le_bytes());
    bytes.extend(registers.rdp.to_le_bytes());
    bytes.extend(registers.mxcsr.to_le_bytes());
    bytes.extend(registers.mxcsr_mask.to_le_bytes());
    for (space, words) in [(&registers.st_space, 32), (&registers.xmm_space, 64)] {
        let words = space.iter().copied().chain(std::iter::repeat(0)).take(words);
        words.for_each(|word| bytes.extend(word.to_le_bytes()));
    }
    bytes.resize(512, 0);
    bytes
}

/// `struct elf_prpsinfo`.
fn information(described: &Described<'_>, thread: &Thread) -> Vec<u8> {
    let mut bytes = vec![0; 136];
    let task = thread.core.task.clone().unwrap_or_default();
    let state = match task.state {
        TASK_STOPPED => b'T',
        TASK_DEAD | TASK_ZOMBIE => b'Z',
        _ => b'S',
    };
    let creds = thread.core.thread.as_ref().and_then(|thread| thread.creds.as_ref());
    let nice = thread.core.thread.as_ref().and_then(|thread| thread.sched_nice).unwrap_or_default();
    bytes[1] = state;
    bytes[2] = u8::from(state == b'Z');
    bytes[3] = nice as u8;
    bytes[8..16].copy_from_slice(&u64::from(task.flags).to_le_bytes());
    let (uid, gid) = creds.map_or((0, 0), |creds| (creds.uid, creds.gid));
    let PstreeEntry { pid, ppid, pgid, sid, .. } = *described.task;
    for (at, id) in [uid, gid, pid, ppid, pgid, sid].into_iter().enumerate() {
        bytes[16 + 4 * at..][..4].copy_from_slice(&id.to_le_bytes());
    }
    // A zero is behind both.
    let name = &task.comm[..task.comm.len().min(NAME - 1)];
    bytes[40..40 + name.len()].copy_from_slice(name);
    let arguments = described.arguments.strip_suffix(b"\0").unwrap_or(described.arguments);
    for (at, &byte) in arguments.iter().take(ARGUMENTS - 1).enumerate() {
        bytes[56 + at] = if byte == 0 { b' ' } else { byte };
    }
    bytes
}

/// What `fill_files_note` of fs/binfmt_elf.c writes: count, page size, places, and behind them all paths.
fn files(mappings: &[Mapping]) -> Vec<u8> {
    let page = page_size() as u64;
    let (mut places, mut paths, mut count) = (Vec::new(), Vec::new(), 0u64);
    for mapping in mappings {
        let Kind::File(Some(path)) = &mapping.kind else { continue };
        for word in [mapping.addresses.start, mapping.addresses.end, mapping.file_offset / page] {
            places.extend(word.to_le_bytes());
        }
        paths.extend(path.iter().copied().filter(|&byte| byte != 0));
        paths.push(0);
        count += 1;
    }
    [&count.to_le_bytes()[..], &page.to_le_bytes(), &places, &paths].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_on_words_and_say_their_lengths() {
        let mut notes = Vec::new();
        add(&mut notes, NT_AUXV, b"12345");
        assert_eq!(notes, b"\x05\0\0\0\x05\0\0\0\x06\0\0\0CORE\0\0\0\x0012345\0\0\0");
    }

    #[test]
    fn arguments_and_names_that_are_too_long_are_cut() {
        let task = PstreeEntry { pid: 7, ..PstreeEntry::default() };
        let comm = vec![b'n'; 40];
        let core =
            CoreEntry { task: Some(criu_images::TaskCoreEntry { comm, ..Default::default() }), ..CoreEntry::default() };
        let thread = Thread { id: 7, core, registers: ThreadInfoX86::default() };
        let arguments = [&b"sh\0-c\0"[..], &[b'a'; 200]].concat();
        let described =
            Described { task: &task, threads: &[], mm: &MmEntry::default(), mappings: &[], arguments: &arguments };
        let bytes = information(&described, &thread);
        assert_eq!(&bytes[40..56], b"nnnnnnnnnnnnnnn\0");
        assert!(bytes[56..].starts_with(b"sh -c aaa") && bytes.ends_with(b"a\0"));
    }
}
