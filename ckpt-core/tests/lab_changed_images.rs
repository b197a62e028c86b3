//! Images of CRIU in which somebody changed bytes: whatever they say, they are told or refused.
//!
//! The archive is podman's own, of a real container; each case changes a few bytes of its images, all of which have a
//! number, so that a failure is the same the next time.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use aligntar::Reader;
use anyhow::{Context, Result, ensure};
use ckpt_core::archive::Import;
use ckpt_core::inside::Sections;
use ckpt_core::inspect::inspect_import;
use ckpt_core::memory::{Memory, Pattern};

/// What all of it may take, in KiB: the archive has a few MiB.
const MEMORY_KIB: u64 = 256 << 10;

/// Pipes, a deleted file, children, a stopped one, and limits.
const SCRIPT: &str = "
    mkfifo /srv/fifo; exec 6<> /srv/fifo; echo held > /srv/held; exec 7<> /srv/held; rm /srv/held
    sh -c 'kill -STOP $$' & (sleep 1000 | sleep 1000) &
    ulimit -n 100; echo > /srv/ready; while :; do sleep 1000; done";

fn podman(arguments: &[&str]) -> Result<String> {
    let output = Command::new("podman").args(arguments).output().context("podman")?;
    ensure!(output.status.success(), "podman {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn make_archive(path: &str) -> Result<()> {
    podman(&["run", "-d", "--name", "changed", "--ulimit", "nofile=200:300", "localhost/busybox", "sh", "-c", SCRIPT])?;
    podman(&["exec", "changed", "sh", "-c", "until [ -e /srv/ready ]; do sleep 0.1; done; sleep 0.5"])?;
    podman(&["container", "checkpoint", "--compress", "none", "--export", path, "changed"])?;
    podman(&["rm", "--force", "--time", "0", "changed"]).map(drop)
}

/// Where the images lie that are not pages: offset and length.
fn images(archive: &File) -> Result<Vec<(u64, u64)>> {
    let mut reader = Reader::open(archive)?;
    let mut places = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let name = String::from_utf8_lossy(&entry.member.path).into_owned();
        if name.ends_with(".img") && !name.contains("/pages-") {
            places.extend(
                entry.data_spans().map(|span| (span.source_offset, span.length)).filter(|(_, length)| *length > 0),
            );
        }
    }
    Ok(places)
}

/// Numbers that look like chance (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Changes the archive, and gives what was there: places and bytes.
fn change(archive: &File, images: &[(u64, u64)], case: u64) -> io::Result<Vec<(u64, Vec<u8>)>> {
    let mut numbers = Numbers(case << 32);
    let mut before = Vec::new();
    for _ in 0..=numbers.below(3) {
        let (offset, length) = images[numbers.below(images.len() as u64) as usize];
        let at = numbers.below(length);
        let mut old = vec![0; (length - at).min(9) as usize];
        archive.read_exact_at(&mut old, offset + at)?;
        let mut new = old.clone();
        match numbers.below(4) {
            0 => new[0] ^= 1 << numbers.below(8),
            1 => new[0] = 0,
            2 => new[0] = [0x7f, 0x80, 0xff][numbers.below(3) as usize],
            // The largest number that a message can have.
            _ => new.iter_mut().zip([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).for_each(|(a, b)| *a = b),
        }
        archive.write_all_at(&new, offset + at)?;
        before.push((offset + at, old));
    }
    before.reverse();
    Ok(before)
}

/// Everything that is told of an archive; how many of the questions had an answer.
fn ask(import: &Import, other: &Memory, folder: &Path) -> Result<usize> {
    let pattern = Pattern::text(b"held")?;
    let mut answered = usize::from(inspect_import(import, folder, &Sections::all()).is_ok());
    let Ok(memory) = Memory::open(import, folder) else { return Ok(answered) };
    answered += usize::from(memory.search(None, &pattern, 16, &mut |_| Ok(())).is_ok());
    answered += usize::from(other.compare(&memory).is_ok());
    for pid in memory.processes().into_iter().take(8) {
        answered += usize::from(memory.command(pid).is_ok());
        answered += usize::from(memory.write_core(pid, &tempfile::tempfile_in(folder)?).is_ok());
        let Ok(mappings) = memory.mappings(pid) else { continue };
        for mapping in mappings.iter().take(8) {
            let (start, end) = (mapping.addresses.start, mapping.addresses.end);
            let addresses = start..end.min(start.saturating_add(1 << 20));
            answered += usize::from(memory.dump(pid, addresses, &mut |_| Ok(())).is_ok());
        }
    }
    Ok(answered)
}

fn peak_memory_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_changed_images_are_told_or_refused() -> Result<()> {
    told_or_refused(0..400)
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn long_btrfs_many_changed_images_are_told_or_refused() -> Result<()> {
    told_or_refused(1000..11_000)
}

fn told_or_refused(cases: Range<u64>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("x.tar");
    make_archive(path.to_str().context("UTF-8")?)?;
    let whole = folder.path().join("whole.tar");
    std::fs::copy(&path, &whole)?;
    let whole = Memory::open(&(&whole).into(), folder.path())?;
    let archive = File::options().read(true).write(true).open(&path)?;
    let (images, import) = (images(&archive)?, Import::from(&path));
    let all = ask(&import, &whole, folder.path())?;
    ensure!(images.len() > 20 && all > 20, "{} images, {all} answers", images.len());

    let (mut refused, mut answered) = (0, 0);
    let enough = (cases.end - cases.start) / 10;
    for case in cases {
        println!("case {case}");
        let before = change(&archive, &images, case)?;
        match ask(&import, &whole, folder.path())? {
            answers if answers < all => refused += 1,
            _ => answered += 1,
        }
        for (offset, bytes) in before {
            archive.write_all_at(&bytes, offset)?;
        }
    }
    assert_eq!(ask(&import, &whole, folder.path())?, all);
    assert!(refused > enough && answered > enough, "{refused} refused, {answered} answered");
    assert!(peak_memory_kib()? < MEMORY_KIB, "{} KiB", peak_memory_kib()?);
    Ok(())
}
