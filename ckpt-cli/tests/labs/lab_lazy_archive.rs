//! What happens to the archive while memory comes out of it: right memory comes, or the container is killed and says why.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::lab::*;
use crate::lazy::*;

const BLOCK: usize = 4096;

/// Does something to the archive in the middle; gives how the container ended, and the reason that was told.
fn end_after(spoil: impl Fn(&Path)) -> (End, String) {
    let remembered = Remembered::new(&[], "check", 256, 2);
    let (container, stopped) = remembered.restore_and_stop_server();
    let id = id_of(&container);
    spoil(&remembered.archive());
    drop(stopped);
    let end = end_of(&container);
    match end {
        End::Right => assert_no_server_left(&[]),
        End::Dead => assert_no_server_left(&[&id]),
    }
    let (_, reason) = told(&container.name).unwrap_or_default();
    if end == End::Dead {
        assert_says(&ckpt_fails(&["checkpoint", &container.name, "-e", "/dev/null"]), &[&reason]);
    }
    (end, reason)
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn an_archive_that_is_renamed_or_removed_goes_on_to_be_read() {
    let renamed = end_after(|archive| fs::rename(archive, archive.with_extension("other")).unwrap());
    assert_eq!(renamed, (End::Right, String::new()));
    let removed = end_after(|archive| fs::remove_file(archive).unwrap());
    assert_eq!(removed, (End::Right, String::new()));
    let replaced = end_after(|archive| {
        let other = archive.with_extension("other");
        fs::write(&other, "other").unwrap();
        fs::rename(other, archive).unwrap();
    });
    assert_eq!(replaced, (End::Right, String::new()));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn an_archive_that_is_cut_off_kills_the_container() {
    let (end, reason) =
        end_after(|archive| OpenOptions::new().write(true).open(archive).unwrap().set_len(8192).unwrap());
    assert_eq!(end, End::Dead);
    assert_says(&reason, &["cannot read the pages"]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn an_archive_that_is_written_over_kills_the_container() {
    // As long as before, with other bytes; by write(2), by a clone, and by a mapping.
    let by_copy = "head -c $(stat -c %s $0) /dev/zero > $0.zeros; cat $0.zeros 1<> $0 >&1";
    let by_clone = "head -c $(stat -c %s $0) /dev/zero > $0.zeros; cp --reflink=always $0.zeros $0";
    let by_mapping = "python3 -c 'import mmap, sys; f = open(sys.argv[1], \"r+b\"); m = mmap.mmap(f.fileno(), 0); \
                      m[len(m) // 2 : len(m) // 2 + 100000000] = bytes(100000000)' $0";
    for script in [by_copy, by_clone, by_mapping] {
        let (end, reason) = end_after(|archive| drop(succeed("sh", &["-ec", script, text(archive)])));
        assert_eq!(end, End::Dead, "{script}");
        assert_says(&reason, &["written to"]);
    }
}

/// Another archive at the same place, after the restore has looked at the first one.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn an_archive_that_is_written_over_before_its_memory_comes_is_refused() {
    let remembered = Remembered::new(&[], "check", 64, 1);
    let archive = remembered.archive();
    let held = Held::at("podman", "container restore");
    let world = World::at_rest(remembered.folder.path());
    let mut restore = held.start(&["restore", "-i", text(&archive), "--lazy=always"]);
    held.reached();
    let file = OpenOptions::new().write(true).open(&archive).unwrap();
    file.set_modified(std::time::SystemTime::now()).unwrap();
    held.let_go();
    assert!(!restore.wait().unwrap().success());
    let said = std::io::read_to_string(restore.stderr.take().unwrap()).unwrap();
    assert_says(&said, &["the archive was written to after the restore began"]);
    assert_no_server_left(&[]);
    world.assert_same(remembered.folder.path());
}

/// A file system that notices what its disk gives back wrong, and reads it as EIO.
struct BtrfsDisk {
    image: PathBuf,
    mounted: TempDir,
}

impl BtrfsDisk {
    fn new(image: PathBuf, bytes: u64) -> Self {
        File::create(&image).unwrap().set_len(bytes).unwrap();
        succeed("mkfs.btrfs", &["--quiet", text(&image)]);
        let disk = BtrfsDisk { image, mounted: tempfile::tempdir().unwrap() };
        succeed("mount", &["-o", "loop", text(&disk.image), text(disk.mounted.path())]);
        disk
    }

    /// Changes the block that `file` has at `offset`, wherever that lies on the disk.
    fn spoil(&self, file: &Path, offset: u64) {
        succeed("sync", &["-f", text(file)]);
        let mut wanted = [0; BLOCK];
        File::open(file).unwrap().read_exact_at(&mut wanted, offset).unwrap();
        let disk = File::options().read(true).write(true).open(&self.image).unwrap();
        let mut block = [0; BLOCK];
        let mut spoiled = 0;
        for at in (0..disk.metadata().unwrap().len()).step_by(BLOCK) {
            disk.read_exact_at(&mut block, at).unwrap();
            if block == wanted {
                disk.write_all_at(b"spoiled", at).unwrap();
                spoiled += 1;
            }
        }
        assert_eq!(spoiled, 1);
        succeed("sh", &["-c", "echo 3 > /proc/sys/vm/drop_caches"]);
    }
}

impl Drop for BtrfsDisk {
    fn drop(&mut self) {
        run("umount", &["--lazy", text(self.mounted.path())]);
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn an_error_of_the_archives_disk_kills_the_container() {
    let remembered = Remembered::new(&[], "check", 192, 2);
    let disk = BtrfsDisk::new(remembered.folder.path().join("disk"), 1 << 30);
    let archive = disk.mounted.path().join("archive.tar");
    fs::copy(remembered.archive(), &archive).unwrap();
    let middle = archive.metadata().unwrap().len() / 2 / BLOCK as u64 * BLOCK as u64;
    let stopping = StoppedServer::when_it_arrives();
    ckpt(&["restore", "-i", text(&archive), "--lazy=always"]);
    let container = Container::named(remembered.name);
    let stopped = stopping.join().unwrap();
    disk.spoil(&archive, middle);
    let id = id_of(&container);
    drop(stopped);
    assert_eq!(end_of(&container), End::Dead);
    assert_no_server_left(&[&id]);
    assert_says(&told(&container.name).unwrap().1, &["Input/output error"]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn what_cannot_come_later_is_told_in_one_line_and_comes_before() {
    let remembered = Remembered::new(&[], "check", 16, 1);
    let archive = remembered.archive();
    let compressed = archive.with_extension("tar.zst");
    succeed("zstd", &["-q", text(&archive), "-o", text(&compressed)]);
    let writable = archive.with_extension("writable");
    succeed("cp", &[text(&archive), text(&writable)]);
    succeed("chmod", &["666", text(&writable)]);
    let (archive, compressed, writable) = (text(&archive), text(&compressed), text(&writable));
    for (from, options, reason) in [
        (compressed, "", "compressed"),
        ("-", "", "pipe"),
        (archive, "--keep", "--keep"),
        (writable, "--trust", "somebody else could write"),
    ] {
        let restore = |lazy: &str| {
            let script = format!("cat {archive} | {} restore -i {from} {options} {lazy}", env!("CARGO_BIN_EXE_ckpt"));
            Command::new("sh").args(["-c", &script]).output().unwrap()
        };
        let refused = restore("--lazy=always");
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(
            !refused.status.success() && said.lines().filter(|line| line.starts_with("Error: ")).count() == 1,
            "{said}"
        );
        assert_says(&said, &[reason]);
        let eager = restore("--lazy");
        let said = String::from_utf8(eager.stderr).unwrap();
        assert!(eager.status.success(), "{said}");
        let warnings: Vec<&str> = said.lines().filter(|line| line.starts_with("Warning: ")).collect();
        assert!(warnings.len() == 1 && warnings[0].contains(reason), "{said}");
        let container = Container::named(remembered.name);
        assert_eq!(end_of(&container), End::Right, "{from}");
        assert_no_server_left(&[]);
        container.remove();
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_what_is_in_part_in_an_earlier_archive_does_not_come_later() {
    let remembered = Remembered::new(&[], "check", 16, 1);
    let (folder, archive) = (remembered.folder.path(), remembered.archive());
    let later = folder.join("later.tar");
    // As CRIU notes it where it tracks what memory changed.
    let add = "tar -rf later.tar --transform 's|^parent$|checkpoint/parent|' --absolute-names parent";
    let make =
        format!("cd {} && cp {} later.tar && ln -s ../pre-checkpoint parent && {add}", text(folder), text(&archive));
    succeed("sh", &["-c", &make]);
    let restore = ["restore", "-i", text(&later), "--import-previous", text(&archive), "--lazy=always"];
    assert_says(&ckpt_fails(&restore), &["a part of it is in the archive of the pre-checkpoint"]);
    assert!(!run("podman", &["container", "exists", remembered.name]).status.success());
}
