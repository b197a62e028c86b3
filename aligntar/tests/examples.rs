//! The examples, run as programs on a directory made here.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use aligntar::{Kind, Member, WriteOptions, Writer};

/// What an example prints. `cargo test` builds it, in the folder next to that of the tests; `cargo test --test examples`
/// alone does not.
fn run(example: &str, arguments: &[&Path]) -> String {
    let this_test = std::env::current_exe().unwrap();
    let programs = this_test.parent().and_then(Path::parent).expect("a test lies in target/PROFILE/deps");
    let program = programs.join("examples").join(example);
    let output = Command::new(&program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{}, of cargo build --examples: {error}", program.display()));
    assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_example_unpack_makes_what_the_example_pack_packed() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let [source, target, archive] = ["source", "target", "x.tar"].map(|name| folder.path().join(name));
    fs::create_dir_all(source.join("deep")).unwrap();
    fs::create_dir(&target).unwrap();
    fs::write(source.join("deep/file"), vec![7; 100_000]).unwrap();

    let packed = run("pack", &[&source, &archive]);
    assert!(packed.starts_with(".\ndeep\ndeep/file\n3 members: "), "{packed}");
    let unpacked = run("unpack", &[&archive, &target]);
    assert!(unpacked.ends_with(" copied\n"), "{unpacked}");
    assert!(fs::read(target.join("deep/file")).unwrap() == vec![7; 100_000]);
}

#[test]
fn the_example_unpack_goes_on_behind_a_member_that_is_refused() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let archive = folder.path().join("x.tar");
    let mut file = File::create(&archive).unwrap();
    let mut writer = Writer::to_stream(&mut file, WriteOptions::default()).unwrap();
    for path in ["../outside", "inside"] {
        writer.append_bytes(&Member::new(path, Kind::Regular { size: 4 }, 0o644), b"data").unwrap();
    }
    writer.finish().unwrap();
    file.flush().unwrap();

    let target = folder.path().join("target");
    fs::create_dir(&target).unwrap();
    let printed = run("unpack", &[&archive, &target]);
    assert!(printed.starts_with("not as in the archive: member \"../outside\""), "{printed}");
    assert_eq!(fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>(), ["inside"]);
    assert!(!folder.path().join("outside").exists());
}
