//! `ckpt pack` where it follows GNU tar: names, and what is left out.

mod trees;

use std::fs::{self, File};
use std::process::Command;

use trees::Folder;

#[test]
fn each_path_has_the_name_that_was_given() {
    let folder = Folder::new();
    for operands in [
        &["tree"][..],
        &["tree", "link"],
        &["./tree/sub/"],
        &["tree/sub", "tree/a"],
        &["link"],
        &["link/"],
        &["dangling"],
        &["tree/a"],
        &["-C", "tree", "."],
        &["-C", "tree", "sub", "a"],
    ] {
        let names = folder.assert_same(&[], operands);
        assert!(!names.is_empty());
    }
    assert!(folder.assert_same(&[], &["tree"]).contains("tree/sub/a"));
    assert!(folder.assert_same(&[], &["-C", "tree", "."]).contains("sub/a"));
}

#[test]
fn patterns_leave_out_what_tar_leaves_out() {
    let folder = Folder::new();
    for pattern in [
        "a",
        "a*",
        "*.o",
        "sub",
        "sub/a",
        "sub/*",
        "tree/a",
        "tree",
        "tree/sub/a",
        "ub/a",
        "*b",
        "?",
        "s*a",
        "[ab]",
        "[!a]",
        "[^a]",
        "{a,b}",
        r"\*",
        "odd[b",
        "**/a",
        "sub/**",
        "nothing",
        "*",
    ] {
        folder.assert_same(&["--exclude", pattern], &["tree"]);
        folder.assert_same(&["--exclude", pattern], &["-C", "tree", "sub", "a"]);
    }
    for pattern in ["./a", "./sub/a", "./*.o", "a", "sub/a"] {
        folder.assert_same(&["--exclude", pattern], &["-C", "tree", "."]);
    }
    folder.assert_same(&["--exclude", "b", "--exclude", "*.o"], &["tree/sub/ab", "tree/b", "tree"]);
    let noted = folder.ckpt(&["pack", "tree", "-f", "x.tar", "--exclude", "./a", "--exclude", "b", "-v"]);
    let noted = String::from_utf8(noted.stderr).unwrap();
    assert!(noted.contains(r#"nothing matches --exclude "./a""#) && !noted.contains("\"b\""), "{noted}");
}

#[test]
fn an_archive_leaves_itself_out_and_says_so() {
    let folder = Folder::new();
    fs::write(folder.path("tree/x.tar"), "older").unwrap();
    fs::hard_link(folder.path("tree/x.tar"), folder.path("tree/other-name")).unwrap();
    let packed = folder.ckpt(&["pack", "tree", "-f", "tree/x.tar"]);
    let said = String::from_utf8(packed.stderr).unwrap();
    assert!(packed.status.success() && said.lines().count() == 2, "{said}");
    assert!(said.contains(r#"Warning: "tree/x.tar" is the archive itself, it is left out"#), "{said}");
    let names = folder.names("tree/x.tar");
    assert!(names.contains("tree/a") && !names.contains("tree/x.tar") && !names.contains("tree/other-name"));

    // Standard output may be a file in the tree as well.
    let mut command = Command::new(env!("CARGO_BIN_EXE_ckpt"));
    command.args(["pack", "tree", "-f", "-"]).current_dir(folder.path(""));
    let output = command.stdout(File::create(folder.path("tree/y.tar")).unwrap()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(r#""tree/y.tar" is the archive itself"#), "{said}");
    assert!(!folder.names("tree/y.tar").contains("tree/y.tar"));
}
