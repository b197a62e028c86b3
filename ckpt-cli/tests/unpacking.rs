//! `ckpt unpack` of what cannot be unpacked as it is: the rest is, and each command says when it cannot be heard.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use aligntar::{Kind, Member, Timestamp, WriteOptions, Writer};
use tempfile::TempDir;

/// A folder with `x.tar`, and `target`.
struct Folder(TempDir);

impl Folder {
    fn new(members: &[Member]) -> Self {
        Folder::within(Path::new(env!("CARGO_TARGET_TMPDIR")), members)
    }

    fn within(path: &Path, members: &[Member]) -> Self {
        let folder = Folder(tempfile::tempdir_in(path).unwrap());
        fs::create_dir(folder.path("target")).unwrap();
        let file = File::create_new(folder.path("x.tar")).unwrap();
        let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
        for member in members {
            // A file's data is its path.
            match member.kind {
                Kind::Regular { .. } => writer.append_bytes(member, &member.path).unwrap(),
                _ => writer.append(member).unwrap(),
            };
        }
        writer.finish().unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ckpt"));
        command.args(words.split(' ')).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    fn ckpt(&self, words: &str) -> (Option<i32>, String) {
        status_and_stderr(self.command(words).output().unwrap())
    }

    fn mode(&self, name: &str) -> u32 {
        self.path(name).metadata().unwrap().mode() & 0o7777
    }
}

fn status_and_stderr(output: Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn file(path: &str) -> Member {
    Member::new(path, Kind::Regular { size: path.len() as u64 }, 0o666)
}

fn directory(path: &str) -> Member {
    Member { mtime: Timestamp { secs: 77, nanos: 0 }, ..Member::new(path, Kind::Directory, 0o775) }
}

fn link(path: &str, target: &str) -> Member {
    Member::new(path, Kind::HardLink { target: target.into() }, 0o666)
}

#[test]
fn a_member_that_fails_is_told_in_a_line_and_the_rest_is_unpacked() {
    let long = "n".repeat(400_000);
    let members = [directory("d"), file("d/a"), file("d/a/\u{1b}[2J"), file(&long), file("d/b")];
    let folder = Folder::new(&members);
    for words in ["unpack x.tar -C target", "unpack x.tar -C target --jobs 1"] {
        let (status, said) = folder.ckpt(words);
        assert_eq!((status, said.lines().count()), (Some(1), 3), "{said}");
        assert!(
            said.contains(r#"Error: member "d/a/\u{1b}[2J" at offset "#) && said.contains("(400000 bytes)"),
            "{said}"
        );
        assert!(said.len() < 1000 && said.ends_with("all is unpacked but for what is said above\n"), "{said}");
        assert_eq!(fs::read(folder.path("target/d/b")).unwrap(), b"d/b");
        assert_eq!(folder.path("target/d").metadata().unwrap().mtime(), 77);
    }
}

#[test]
fn the_first_failure_ends_it_on_request() {
    let folder = Folder::new(&[directory("d"), file("d/a"), file("d/a/b"), file("d/c")]);
    let (status, said) = folder.ckpt("unpack x.tar -C target --fail-fast --jobs 1");
    assert!(status == Some(1) && said.lines().count() == 1 && said.contains("\"d/a/b\""), "{said}");
    assert!(folder.path("target/d/a").exists() && !folder.path("target/d/c").exists());
    assert_eq!(folder.path("target/d").metadata().unwrap().mtime(), 77);
}

#[test]
fn directories_are_finished_when_the_archive_is_damaged() {
    let folder = Folder::new(&[directory("d"), file("d/a"), file("d/b")]);
    let mut bytes = fs::read(folder.path("x.tar")).unwrap();
    let len = bytes.len();
    // The header of the last member, in front of its data and the end.
    bytes[len - 4 * 512..len - 3 * 512].fill(b'x');
    fs::write(folder.path("x.tar"), bytes).unwrap();
    let (status, said) = folder.ckpt("unpack x.tar -C target");
    assert!(status == Some(1) && said.contains("damaged header"), "{said}");
    assert_eq!((folder.mode("target/d"), folder.path("target/d").metadata().unwrap().mtime()), (0o775, 77));
}

#[test]
fn an_interrupt_leaves_directories_finished() {
    let folder = Folder::new(&[directory("d"), file("d/a"), file("d/b"), file("d/c")]);
    let bytes = fs::read(folder.path("x.tar")).unwrap();
    let mut command = folder.command("unpack - -C target --jobs 1");
    let mut ckpt = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = ckpt.stdin.take().unwrap();
    // Up to the header of the last but one, which is written when the signal has come.
    stdin.write_all(&bytes[..3 * 512]).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !folder.path("target/d/a").exists() {
        assert!(Instant::now() < deadline, "nothing is unpacked");
        std::thread::sleep(Duration::from_millis(5));
    }
    let kill = Command::new("kill").args(["-INT", &ckpt.id().to_string()]).status().unwrap();
    assert!(kill.success());
    // Its reader may be gone already.
    let _ = stdin.write_all(&bytes[3 * 512..]);
    drop(stdin);
    let (status, said) = status_and_stderr(ckpt.wait_with_output().unwrap());
    assert!(status == Some(1) && said.contains("interrupted at member \"d/b\""), "{status:?} {said}");
    assert!(folder.path("target/d/a").exists() && !folder.path("target/d/c").exists());
    assert_eq!((folder.mode("target/d"), folder.path("target/d").metadata().unwrap().mtime()), (0o775, 77));
}

/// As `tar -c .` and `tar -cP /` name them, and however they are asked for.
#[test]
fn members_are_found_by_any_of_their_spellings() {
    let folder = Folder::new(&[directory("./"), file("./a"), file("/b/c"), link("./d", "./a")]);
    for (asked, made) in [("./a", "a"), ("a", "a"), ("/b/c", "b/c"), ("./b", "b/c"), ("d", "d"), ("/d", "d")] {
        let (status, said) = folder.ckpt(&format!("unpack x.tar -C target {asked}"));
        assert_eq!((status, said.as_str()), (Some(0), ""), "{asked}");
        assert!(folder.path("target").join(made).is_file(), "{asked}");
        fs::remove_dir_all(folder.path("target")).unwrap();
        fs::create_dir(folder.path("target")).unwrap();
    }
    let (status, said) = folder.ckpt("unpack x.tar -C x.tar");
    assert!(status == Some(1) && said.contains("open the directory x.tar: Not a directory"), "{said}");
}

#[test]
fn a_hard_link_that_was_asked_for_alone_has_the_data_of_its_first_name() {
    let members = [file("a"), file("first"), link("second", "first"), link("third", "./second"), link("l", "later")];
    let folder = Folder::new(&[&members[..], &[file("later"), link("gone", "nothing")]].concat());
    let (status, said) = folder.ckpt("unpack x.tar -C target second third l");
    assert_eq!((status, said.as_str()), (Some(0), ""));
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(folder.path("target")).unwrap().map(|name| name.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["l", "second", "third"]);
    for (name, data) in [("second", "first"), ("third", "first"), ("l", "later")] {
        assert_eq!(fs::read_to_string(folder.path("target").join(name)).unwrap(), data, "{name}");
    }
    let inode = |name: &str| folder.path(name).metadata().unwrap().ino();
    assert_eq!(inode("target/second"), inode("target/third"));
    let (status, said) = folder.ckpt("unpack x.tar -C target gone a");
    assert!(
        status == Some(1) && said.contains("\"gone\"") && said.contains("find what it links to: No such file"),
        "{said}"
    );
    assert!(folder.path("target/a").exists());

    // A stream cannot be read again.
    fs::remove_dir_all(folder.path("target")).unwrap();
    fs::create_dir(folder.path("target")).unwrap();
    let mut command = folder.command("unpack - -C target second a");
    let (status, said) = status_and_stderr(command.stdin(File::open(folder.path("x.tar")).unwrap()).output().unwrap());
    assert_eq!((status, said.as_str()), (Some(0), ""), "a file on standard input can");
    fs::remove_dir_all(folder.path("target")).unwrap();
    fs::create_dir(folder.path("target")).unwrap();
    let mut command = folder.command("unpack - -C target second a");
    let mut ckpt = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    ckpt.stdin.take().unwrap().write_all(&fs::read(folder.path("x.tar")).unwrap()).unwrap();
    let (status, said) = status_and_stderr(ckpt.wait_with_output().unwrap());
    assert!(status == Some(1) && said.contains("\"second\""), "{said}");
    assert_eq!(names(), ["a"]);
}

#[test]
fn members_below_a_link_of_the_archive_are_made_where_it_leads() {
    let soft = |path: &str, target: &str| Member::new(path, Kind::Symlink { target: target.into() }, 0o777);
    let folder =
        Folder::new(&[directory("usr/lib"), soft("lib", "usr/lib"), file("lib/x"), soft("out", ".."), file("out/y")]);
    let (status, said) = folder.ckpt("unpack x.tar -C target");
    assert_eq!(fs::read_to_string(folder.path("target/usr/lib/x")).unwrap(), "lib/x");
    assert!(
        said.contains("Warning: \"lib\" is a symbolic link of the archive: what is below it goes to \"usr/lib\""),
        "{said}"
    );
    assert!(status == Some(1) && said.contains("\"out/y\"") && said.contains("out of the directory"), "{said}");
    assert!(!folder.path("y").exists());
}

/// As `nobody` where this is root: it has to have rights to the program and the folder, which lie anywhere.
#[test]
fn an_ordinary_user_gets_modes_less_the_umask_and_hears_of_devices() {
    let mut device = Member::new("dev/null", Kind::CharDevice { major: 1, minor: 3 }, 0o666);
    device.uid = 7;
    let members = [directory("dev"), device, file("dev/file"), directory("d"), file("d/set-id")];
    let members = members.map(|member| Member { mode: member.mode | 0o6000, ..member });
    let folder = Folder::within(&std::env::temp_dir(), &members);
    fs::copy(env!("CARGO_BIN_EXE_ckpt"), folder.path("ckpt")).unwrap();
    for (name, mode) in [("", 0o755), ("ckpt", 0o755), ("x.tar", 0o644), ("target", 0o777)] {
        fs::set_permissions(folder.path(name), Permissions::from_mode(mode)).unwrap();
    }
    let is_root = folder.path("target").metadata().unwrap().uid() == 0;
    for (option, expected) in [("", [0o755, 0o644, 0o644]), ("-p", [0o775, 0o666, 0o666])] {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("umask 022; exec ./ckpt unpack x.tar -C target {option}")]);
        command.current_dir(folder.0.path());
        if is_root {
            command.uid(65534).gid(65534);
        }
        let (status, said) = status_and_stderr(command.output().unwrap());
        assert!(status == Some(1) && said.lines().count() == 2, "{said}");
        assert!(said.contains("member \"dev/null\"") && said.contains("Operation not permitted"), "{said}");
        let modes = ["target/dev", "target/dev/file", "target/d/set-id"].map(|name| folder.mode(name));
        assert_eq!(modes, expected, "{option}");
    }
}

#[test]
fn who_cannot_be_heard_says_so() {
    let folder = Folder::new(&[directory("d"), file("d/a")]);
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for words in
        ["ls x.tar", "ls -l x.tar", "verify x.tar", "verify x.tar --format json", "doctor .", "doctor . --format json"]
    {
        let (status, said) = status_and_stderr(folder.command(words).stdout(full()).output().unwrap());
        assert_eq!(status, Some(1), "{words}: {said}");
        assert!(said.contains("write to standard output: No space left on device"), "{words}: {said}");
        // As with `| head`, which has seen enough.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (_, said) = status_and_stderr(folder.command(words).stdout(writer).output().unwrap());
        assert!(!said.contains("standard output") && !said.contains("Broken pipe"), "{words}: {said}");
    }
}

/// Warnings and errors that nobody can take are no reason to stop, still less to panic.
#[test]
fn a_full_standard_error_changes_no_outcome() {
    let folder = Folder::new(&[directory("d"), file("d/a")]);
    for (words, status) in [("ls x.tar", 0), ("ls missing.tar", 1), ("verify x.tar", 0), ("pack missing -f y.tar", 2)] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = folder.command(words).stderr(full).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{words}");
    }
}
