//! An image of CRIU of each kind, in the order of the target `images`.

use criu_images::{
    CoreEntry, CredsEntry, FdinfoEntry, FileEntry, FsEntry, ImageMessage, InetSkEntry, MemfdInodeEntry, MmEntry,
    MntEntry, PageMap, PagemapEntry, PagemapHead, PstreeEntry, RegFileEntry, RemapFilePathEntry, RlimitEntry, SaEntry,
    TaskCoreEntry, TaskKobjIdsEntry, TaskRlimitsEntry, ThreadCoreEntry, ThreadInfoX86, TtyInfoEntry, UtsnsEntry,
    VmaEntry, WinsizeEntry, framed,
};
use prost::Message;

pub(crate) fn each_kind() -> [(&'static str, Vec<u8>); 13] {
    let head = PagemapHead { pages_id: 1 }.encode_to_vec();
    let pages = |page: u64, flags| PagemapEntry {
        vaddr: page << 12,
        flags: Some(flags),
        nr_pages: Some(3),
        ..PagemapEntry::default()
    };
    let entries = [pages(16, 0b100), pages(20, 0b110), pages(30, 0b001)].map(|entry| entry.encode_to_vec());
    [
        ("pagemap", framed(PageMap::MAGIC, [head].into_iter().chain(entries))),
        ("pstree", one(PstreeEntry { pid: 7, ppid: 1, pgid: 7, sid: 7, threads: vec![7, 300] })),
        ("core", one(core())),
        ("mm", one(MmEntry { auxv: vec![6, 4096], vmas: vec![vma(16), vma(30)], ..MmEntry::default() })),
        ("files", one(file())),
        ("memfd", one(MemfdInodeEntry { name: b"shared".to_vec(), size: 4096, shmid: 3, inode_id: 9 })),
        ("fdinfo", one(FdinfoEntry { id: 5, flags: 1, kind: 1, fd: 300 })),
        ("fs", one(FsEntry { cwd_id: 5, root_id: 6 })),
        ("remap", one(RemapFilePathEntry { orig_id: 5, remap_id: 1 })),
        ("tty", one(TtyInfoEntry { id: 1, winsize: Some(WinsizeEntry { rows: 24, columns: 80 }) })),
        ("mountpoints", one(MntEntry { fstype: 5, mountpoint: b"./tmp".to_vec(), ..MntEntry::default() })),
        ("utsns", one(UtsnsEntry { nodename: b"web".to_vec() })),
        ("ids", one(TaskKobjIdsEntry { files_id: 1, mnt_ns_id: Some(7), ..TaskKobjIdsEntry::default() })),
    ]
}

fn one<M: ImageMessage>(message: M) -> Vec<u8> {
    framed(M::MAGIC, [message.encode_to_vec()])
}

fn core() -> CoreEntry {
    let rlimits = vec![RlimitEntry { cur: 1024, max: u64::MAX }];
    let task = TaskCoreEntry {
        state: 1,
        comm: b"sleep".to_vec(),
        rlimits: Some(TaskRlimitsEntry { rlimits }),
        sigactions: vec![SaEntry { sigaction: 1, flags: 0x1400_0000, mask: 1 }],
        ..TaskCoreEntry::default()
    };
    let creds = CredsEntry { uid: 1000, cap_eff: vec![1, 2], groups: vec![5, 100_000], ..CredsEntry::default() };
    let x86 = ThreadInfoX86 { gpregs: Some(Default::default()), ..ThreadInfoX86::default() };
    let thread = ThreadCoreEntry { creds: Some(creds), ..ThreadCoreEntry::default() };
    CoreEntry { machine: 1, x86: Some(x86), task: Some(task), ids: None, thread: Some(thread) }
}

fn vma(page: u64) -> VmaEntry {
    VmaEntry { start: page << 12, end: (page + 4) << 12, prot: 3, flags: 0x22, status: 0x201, ..VmaEntry::default() }
}

fn file() -> FileEntry {
    let reg = RegFileEntry { id: 5, name: b"/bin/sleep".to_vec(), size: Some(9), ..RegFileEntry::default() };
    let inet = InetSkEntry { family: 2, src_addr: vec![1], dst_addr: vec![2], ..InetSkEntry::default() };
    FileEntry { kind: 1, id: 5, reg: Some(reg), inet: Some(Box::new(inet)), ..FileEntry::default() }
}
