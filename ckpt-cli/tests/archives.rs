//! `ckpt pack`, `align` and `ls` as people use them: without root, without podman, in pipes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

struct Folder(tempfile::TempDir);

impl Folder {
    /// With the tree `tree` in it.
    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::write(tree.join("a/b/large"), vec![7; 100_000]).unwrap();
        fs::write(tree.join("a/note.txt"), b"text").unwrap();
        fs::write(tree.join("a/note.o"), b"object").unwrap();
        std::os::unix::fs::symlink("a/note.txt", tree.join("soft")).unwrap();
        Folder(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ckpt"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs `ckpt` with words separated by spaces; it has to succeed.
    fn ckpt(&self, words: &str) -> Vec<u8> {
        let output = self.try_ckpt(words);
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn try_ckpt(&self, words: &str) -> Output {
        self.command(&words.split(' ').collect::<Vec<_>>()).output().unwrap()
    }

    fn fails(&self, words: &str) -> String {
        let output = self.try_ckpt(words);
        // tar's exit status for what did not work at all.
        let expected = if words.starts_with("pack ") { 2 } else { 1 };
        assert_eq!(output.status.code(), Some(expected), "{words}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Runs `ckpt` with `input` on standard input.
    fn pipe(&self, words: &str, input: &[u8]) -> Vec<u8> {
        let mut command = self.command(&words.split(' ').collect::<Vec<_>>());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let output = std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input).unwrap());
            child.wait_with_output().unwrap()
        });
        assert!(output.status.success(), "{words}");
        output.stdout
    }

    fn names(&self, archive: &str) -> Vec<String> {
        let listed = String::from_utf8(self.ckpt(&format!("ls {archive}"))).unwrap();
        listed.lines().map(str::to_owned).collect()
    }

    fn run(&self, program: &str, words: &str) {
        let run = Command::new(program).args(words.split(' ')).current_dir(self.0.path()).output().unwrap();
        assert!(run.status.success(), "{program} {words}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn archives_go_to_files_and_pipes_alike() {
    let folder = Folder::new();
    folder.ckpt("pack -C tree . -f x.tar --align 4096");
    let expected = fs::read(folder.path("x.tar")).unwrap();
    for jobs in ["1", "4"] {
        assert!(folder.ckpt(&format!("pack -C tree . -f - --jobs {jobs}")) == expected);
    }
    // Standard output that is a file, from where it stands.
    let mut output = File::create(folder.path("y.tar")).unwrap();
    output.write_all(b"before").unwrap();
    let mut command = folder.command(&["pack", "-C", "tree", ".", "-f", "-"]);
    assert!(command.stdout(output.try_clone().unwrap()).status().unwrap().success());
    output.write_all(b"behind").unwrap();
    let written = fs::read(folder.path("y.tar")).unwrap();
    assert!(written.starts_with(b"before") && written.ends_with(b"behind"));
    for ending in ["zst", "gz"] {
        folder.ckpt(&format!("pack -C tree . -f x.tar.{ending}"));
        folder.ckpt(&format!("align x.tar.{ending} z.tar --align 4096"));
        assert!(fs::read(folder.path("z.tar")).unwrap() == expected, "{ending}");
        let compressed = fs::read(folder.path(&format!("x.tar.{ending}"))).unwrap();
        assert!(folder.pipe("align - -", &compressed) == expected, "{ending}");
    }
}

#[test]
fn trees_come_back_from_files_pipes_and_compressed() {
    let folder = Folder::new();
    for (archive, words) in [
        ("x.tar", "unpack x.tar -C target"),
        ("x.tar.zst", "unpack x.tar.zst -C target --jobs 1"),
        ("x.tar", "unpack - -C target"),
        ("x.tar.gz", "unpack - -C target --jobs 3"),
    ] {
        folder.ckpt(&format!("pack -C tree . -f {archive}"));
        fs::create_dir(folder.path("target")).unwrap();
        match words.starts_with("unpack -") {
            true => drop(folder.pipe(words, &fs::read(folder.path(archive)).unwrap())),
            false => drop(folder.ckpt(words)),
        }
        folder.run("diff", "-r --no-dereference tree target");
        fs::remove_dir_all(folder.path("target")).unwrap();
    }
}

#[test]
fn single_members_are_unpacked_on_request() {
    let folder = Folder::new();
    folder.ckpt("pack -C tree . -f x.tar");
    fs::create_dir(folder.path("target")).unwrap();
    folder.ckpt("unpack x.tar -C target a/b soft");
    assert!(folder.path("target/a/b/large").exists() && !folder.path("target/a/note.txt").exists());
    let error = folder.fails("unpack x.tar -C target a/note.txt nothing");
    assert!(error.contains("no member nothing") && folder.path("target/a/note.txt").exists(), "{error}");
    assert!(folder.fails("unpack x.tar -C nowhere").contains("nowhere: No such file"));
}

#[test]
fn owner_and_time_can_be_told() {
    let folder = Folder::new();
    folder.ckpt("pack -C tree . -f x.tar --owner 5:6 --mtime 100 --clamp-mtime");
    for line in String::from_utf8(folder.ckpt("ls -l x.tar")).unwrap().lines() {
        assert!(line.contains(" 5/6 ") && line.contains("1970-01-01 00:01:40"), "{line}");
    }
}

#[test]
fn any_tar_archive_is_aligned() {
    let folder = Folder::new();
    folder.run("tar", "-czf x.tgz -C tree .");
    folder.ckpt("align x.tgz x.tar");
    let lines = String::from_utf8(folder.ckpt("ls x.tar --format json")).unwrap();
    let members: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let large = members.iter().find(|member| member["path"] == "./a/b/large").unwrap();
    assert_eq!((large["size"].as_u64(), large["data_offset"].as_u64().unwrap() % 4096), (Some(100_000), 0));
    fs::create_dir(folder.path("target")).unwrap();
    folder.run("tar", "-xf x.tar -C target");
    folder.run("diff", "-r --no-dereference tree target");
}

#[test]
fn what_is_wrong_is_told_with_its_offset() {
    let folder = Folder::new();
    folder.ckpt("pack -C tree . -f inner.tar --align 4096");
    folder.ckpt("pack tree/a inner.tar -f x.tar --align 4096");
    let sound = String::from_utf8(folder.ckpt("verify x.tar --aligned")).unwrap();
    assert!(sound.contains("1 nested archives") && sound.contains("sound"), "{sound}");
    folder.run("tar", "-cf plain.tar tree");
    folder.ckpt("verify plain.tar");
    assert!(folder.fails("verify plain.tar --aligned").contains("does not lie on a block"));

    let whole = fs::read(folder.path("x.tar")).unwrap();
    let line = String::from_utf8(folder.ckpt("ls x.tar --format json")).unwrap();
    let inner = line.lines().find(|line| line.contains("inner.tar")).unwrap();
    let data_offset = serde_json::from_str::<serde_json::Value>(inner).unwrap()["data_offset"].as_u64().unwrap();
    let mut damaged = whole.clone();
    damaged[data_offset as usize + 1024 + 3] ^= 1;
    let cases = [
        (damaged, format!("at offset {} in inner.tar", data_offset + 1024)),
        (whole[..whole.len() - 1024].to_vec(), format!("at offset {}", whole.len() - 1024)),
        ([&whole[..], b"more"].concat(), format!("at offset {}", whole.len())),
    ];
    for (bytes, said) in cases {
        fs::write(folder.path("y.tar"), bytes).unwrap();
        let error = folder.fails("verify y.tar");
        assert!(error.contains(&said), "{said}: {error}");
        let json = folder.try_ckpt("verify y.tar --format json").stdout;
        let report: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert!(said.starts_with(&format!("at offset {}", report["problems"][0]["offset"])), "{report}");
    }
}

#[test]
fn nested_archives_are_aligned_on_request() {
    let folder = Folder::new();
    folder.run("tar", "-cf inner.tar -C tree .");
    fs::write(folder.path("broken.tar"), &fs::read(folder.path("inner.tar")).unwrap()[..700]).unwrap();
    folder.run("tar", "-cf outer.tar inner.tar broken.tar");
    let inner = |archive: &str| {
        folder.run("tar", &format!("-xf {archive} --one-top-level=out"));
        let inner = fs::read(folder.path("out/inner.tar")).unwrap();
        let broken = fs::read(folder.path("out/broken.tar")).unwrap();
        (inner, broken)
    };
    let before = inner("outer.tar");
    folder.ckpt("align outer.tar plain.tar");
    assert!(inner("plain.tar") == before);
    folder.ckpt("align --nested outer.tar nested.tar");
    let (inner, broken) = inner("nested.tar");
    assert!(inner != before.0 && broken == before.1);
    fs::create_dir(folder.path("target")).unwrap();
    folder.run("tar", "-xf out/inner.tar -C target");
    folder.run("diff", "-r --no-dereference tree target");
}

#[test]
fn what_cannot_be_is_said_and_an_older_archive_stays() {
    let folder = Folder::new();
    fs::write(folder.path("x.tar"), b"older").unwrap();
    for (words, said) in [
        ("pack missing -f x.tar", "missing: No such file"),
        ("pack tree tree -f x.tar", "twice"),
        ("pack ../tree tree -f x.tar", ".."),
        ("pack -C tree . -f x.tar --compress zstd --reflink always", "cannot be made of clones"),
        ("align tree/a/b/large x.tar", "not a tar archive"),
        ("align missing.tar x.tar", "missing.tar: No such file"),
        ("pack -C tree . -f missing/x.tar", "does not exist"),
        ("ls tree/a/b/large", "not a tar archive"),
        ("ls tree", "Is a directory"),
    ] {
        let error = folder.fails(words);
        assert!(error.contains(said), "{words}: {error}");
        assert_eq!(fs::read(folder.path("x.tar")).unwrap(), b"older", "{words}");
    }
    assert_eq!(fs::read_dir(folder.path("")).unwrap().count(), 2, "a draft was left");
}

#[test]
fn sockets_are_refused_or_left_out() {
    let folder = Folder::new();
    let socket = std::os::unix::net::UnixListener::bind(folder.path("tree/socket")).unwrap();
    let error = folder.fails("pack -C tree . -f x.tar");
    assert!(
        error.contains("--skip-sockets") && error.contains("\"socket\" is a socket") && !folder.path("x.tar").exists(),
        "{error}"
    );
    folder.ckpt("pack -C tree . -f x.tar --skip-sockets");
    assert!(!folder.names("x.tar").contains(&"socket".to_owned()));
    drop(socket);
}

/// Each row of the table in docs/format.md is where the archive has it.
#[test]
fn the_example_in_the_documents_is_what_is_written() {
    let folder = Folder::new();
    fs::create_dir(folder.path("d")).unwrap();
    fs::write(folder.path("d/large"), [b'A'; 5000]).unwrap();
    fs::write(folder.path("d/small"), "hi\n").unwrap();
    folder.ckpt("pack d -f x.tar --owner 0:0 --mtime 0 --align 4096");
    let archive = fs::read(folder.path("x.tar")).unwrap();
    let begins = |offset: usize| match &archive[offset..] {
        [0, ..] => "zeros",
        [b'A', ..] | [b'h', b'i', ..] => "data of",
        [b'2', b'5', ..] => "its body, one record: `2560 comment=`",
        [b'.', ..] => "header of the extended header, named `././@PaxHeader`",
        [b'd', b'/', 0, ..] => "header of `d/`",
        [_, _, b'l', ..] => "header of `d/large`",
        _ => "header of `d/small`",
    };

    let rows = include_str!("../../docs/format.md").lines().filter_map(|line| {
        let [offset, bytes, what] = line.strip_prefix("| ")?.splitn(3, " | ").collect::<Vec<_>>().try_into().ok()?;
        Some((offset.parse::<usize>().ok()?, bytes.parse::<usize>().ok()?, what))
    });
    let mut end = 0;
    for (offset, bytes, what) in rows {
        assert_eq!(offset, end, "{what}");
        assert!(what.contains(begins(offset)), "{offset}: {what}");
        end += bytes;
    }
    assert_eq!((end, &archive[1024..1037]), (archive.len(), &b"2560 comment="[..]));
}
