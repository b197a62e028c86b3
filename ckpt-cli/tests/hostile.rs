//! Archives and words that mean harm. What they may take of memory shows under a limit that the kernel enforces.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

const BLOCK: usize = 512;

/// A tar archive on its way, without any care for what it says.
struct Archive(BufWriter<File>);

impl Archive {
    fn create(path: &Path) -> Self {
        Archive(BufWriter::new(File::create(path).unwrap()))
    }

    /// POSIX ustar: name, mode, size, checksum, typeflag and magic at their offsets.
    fn member(&mut self, typeflag: u8, name: &str, data: &[u8]) {
        let mut header = [0; BLOCK];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000600");
        header[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = typeflag;
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.write_all(&header).unwrap();
        self.0.write_all(data).unwrap();
        self.0.write_all(&vec![0; data.len().next_multiple_of(BLOCK) - data.len()]).unwrap();
    }

    fn finish(mut self) {
        self.0.write_all(&[0; 2 * BLOCK]).unwrap();
        self.0.flush().unwrap();
    }
}

/// What `ckpt inspect` says of the archive that `fill` makes, with so many MiB of address space.
fn inspect(mebibytes: u64, fill: impl FnOnce(&mut Archive)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tar");
    let mut archive = Archive::create(&path);
    fill(&mut archive);
    archive.finish();
    let mut command = Command::new("prlimit");
    command.arg(format!("--as={}", mebibytes << 20)).args([env!("CARGO_BIN_EXE_ckpt"), "inspect"]).arg(&path);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[test]
fn a_global_record_is_not_kept_for_every_member() {
    let said = inspect(256, |archive| {
        let record = format!("60012 VENDOR={}\n", "v".repeat(60_012 - 14));
        archive.member(b'g', "global", record.as_bytes());
        for number in 0..60_000 {
            archive.member(b'0', &format!("m{number}"), b"");
        }
    });
    assert!(said.contains("is no checkpoint of a container"), "{said}");
}

#[test]
fn lists_without_end_are_refused() {
    for (member, begin, item, end) in
        [("deleted.files", "[", r#""","#, r#"""]"#), ("ckpt.json", r#"{"rootfs":{"sockets":["#, "{},", "{}]}}")]
    {
        let said = inspect(512, |archive| {
            archive.member(b'0', "config.dump", br#"{"id":"","name":""}"#);
            archive.member(b'0', "spec.dump", b"{}");
            archive.member(b'5', "checkpoint/", b"");
            archive.member(b'0', "checkpoint/inventory.img", b"");
            archive.member(b'0', member, format!("{begin}{}{end}", item.repeat(15_000_000)).as_bytes());
        });
        assert!(said.contains(&format!("{member} with more than a million values")), "{said}");
    }
}

#[test]
fn a_name_that_is_a_path_names_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("../..{}/x", folder.path().display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_ckpt"));
    let output = command.args(["restore", "-i", "/nonexistent", "--name", &name]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no name for a container"));
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
}
