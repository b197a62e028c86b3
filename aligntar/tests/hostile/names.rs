//! Paths that lead outside, or nowhere.

use std::fs;
use std::os::unix::fs::symlink;

use crate::archive::{field, put};
use crate::case::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    [plain(), odd(), through_files(), through_symlinks()].into_iter().flatten().collect()
}

fn plain() -> Vec<Case> {
    vec![
        case("dots in front", |tar| tar.file("../outside/secret", b"x")).refused("Path(DotDot)").leaves(&[]),
        case("dots in the middle", |tar| tar.directory("a").file("a/../../outside/secret", b"x"))
            .refused("Path(DotDot)")
            .leaves(&["a/ (700)"]),
        case("dots that stay inside", |tar| tar.file("a/../b", b"x")).refused("Path(DotDot)").leaves(&[]),
        case("dots alone", |tar| tar.directory("..")).refused("Path(DotDot)").leaves(&[]),
        case("dots at the end", |tar| tar.directory("a/..")).refused("Path(DotDot)").leaves(&[]),
        case("dots as a symbolic link", |tar| tar.symlink("../l", "x")).refused("Path(DotDot)").leaves(&[]),
        case("dots as a FIFO", |tar| tar.fifo("../p")).refused("Path(DotDot)").leaves(&[]),
        case("dots in a pax record", |tar| tar.pax(&[(b"path", b"../outside/secret")]).file("a", b"x"))
            .refused("Path(DotDot)")
            .leaves(&[]),
        case("dots in a GNU name", |tar| tar.extension(b'L', b"../outside/secret\0").file("a", b"x"))
            .refused("Path(DotDot)")
            .leaves(&[]),
        case("dots in the prefix", |tar| {
            tar.changed_file("secret", b"x", |header| put(header, field::PREFIX, b"../outside"))
        })
        .refused("Path(DotDot)")
        .leaves(&[]),
        case("dots in a sparse file's name", |tar| {
            tar.pax(&[(b"GNU.sparse.size", b"1"), (b"GNU.sparse.name", b"../x"), (b"GNU.sparse.map", b"0,1")])
                .file("a", b"x")
        })
        .refused("Path(DotDot)")
        .leaves(&[]),
        case("an absolute name", |tar| tar.file("/a", b"x")).leaves(&["a = x"]),
        case("the absolute name of what is outside", |tar| {
            let path = format!("{}/secret", tar.outside);
            tar.pax(&[(b"path", path.as_bytes())]).file("a", b"x")
        }),
        case("many slashes", |tar| tar.file("//a///b", b"x")).leaves(&["a/", "a/b = x"]),
        case("dots that say nothing", |tar| tar.file("./a/./b", b"x")).leaves(&["a/", "a/b = x"]),
        case("three dots", |tar| tar.file(".../..a", b"x")).leaves(&[".../", ".../..a = x"]),
    ]
}

fn odd() -> Vec<Case> {
    vec![
        case("an empty name", |tar| tar.file("", b"x")).refused("Path(Empty)").leaves(&[]),
        case("the root as a file", |tar| tar.file(".", b"x")).refused("Root").leaves(&[]),
        case("the root as a symbolic link", |tar| tar.symlink_outside("./")).refused("Root").leaves(&[]),
        case("the root as a hard link", |tar| tar.file("a", b"x").hard_link("/", "a")).refused("Root"),
        case("the root as a directory", |tar| tar.directory("/").directory("./.")).leaves(&[]),
        case("NUL in a name", |tar| tar.pax(&[(b"path", b"a\0/../b")]).file("a", b"x"))
            .refused("read: Pax")
            .leaves(&[]),
        case("NUL in a link", |tar| tar.pax(&[(b"linkpath", b"a\0b")]).symlink("l", "")).refused("read: Pax"),
        case("a name longer than NAME_MAX", |tar| tar.pax(&[(b"path", &[b'n'; 256])]).file("a", b"x"))
            .refused("create: InvalidFilename")
            .leaves(&[]),
        case("a path longer than any", |tar| tar.pax(&[(b"path", &b"d/".repeat(530_000))]).directory("a"))
            .refused("read: TooLong")
            .leaves(&[]),
        case("a path of 1,200 levels", |tar| {
            let path = [&b"d/".repeat(1200)[..], b"f"].concat();
            tar.pax(&[(b"path", &path)]).file("a", b"x")
        }),
        case("a path that is no UTF-8", |tar| tar.pax(&[(b"path", b"\xff\n\x1b[2J")]).file("a", b"x"))
            .leaves(&["\u{fffd}\n\x1b[2J = x"]),
        case("a path of another system", |tar| tar.file("C:\\..\\x", b"x")).leaves(&["C:\\..\\x = x"]),
    ]
}

fn through_files() -> Vec<Case> {
    vec![
        case("below a file", |tar| tar.file("a", b"one").file("a/b", b"x")).refused("ThroughFile").leaves(&["a = one"]),
        case("far below a file", |tar| tar.file("a", b"one").directory("a/b/c"))
            .refused("ThroughFile")
            .leaves(&["a = one"]),
        case("below a FIFO", |tar| tar.fifo("a").file("a/b", b"x")).refused("ThroughFile").leaves(&["a |"]),
        case("below what was a directory", |tar| tar.directory("a").file("a", b"one").file("a/b", b"x"))
            .refused("ThroughFile")
            .leaves(&["a = one"]),
        case("below what was a directory and held one", |tar| {
            tar.directory("a").directory("a/b").file("a/b", b"one").directory("a/b/c")
        })
        .refused("ThroughFile")
        .leaves(&["a/ (700)", "a/b = one"]),
        case("below a file that was there", |tar| tar.file("old/b", b"x"))
            .before(|world| fs::write(world.target().join("old"), b"old").unwrap())
            .refused("ThroughFile")
            .leaves(&["old = old"]),
    ]
}

fn through_symlinks() -> Vec<Case> {
    vec![
        case("through a link upwards", |tar| tar.symlink("l", "../outside").file("l/secret", b"x"))
            .refused("ThroughSymlink")
            .and_going_on("LinkToOutside")
            .leaves(&["l -> ../outside"]),
        case("through an absolute link", |tar| tar.symlink_outside("l").file("l/secret", b"x"))
            .refused("ThroughSymlink")
            .and_going_on("LinkToOutside"),
        case("through a link to the root", |tar| tar.symlink("l", "/").file("l/tmp/x", b"x"))
            .refused("ThroughSymlink")
            .and_going_on("LinkToOutside")
            .leaves(&["l -> /"]),
        case("through a link that stays inside", |tar| tar.directory("d").symlink("l", "d").file("l/x", b"x"))
            .refused("ThroughSymlink")
            .leaves(&["d/ (700)", "l -> d"])
            .going_on(&[], &["d/", "d/x = x", "l -> d"]),
        case("through a link to itself", |tar| tar.symlink("l", "l").file("l/x", b"x"))
            .refused("ThroughSymlink")
            .and_going_on("LinkToNothing")
            .leaves(&["l -> l"]),
        case("through a chain of links", |tar| {
            tar.symlink("b", "../outside").symlink("a", "b").directory("a/folder/new")
        })
        .refused("ThroughSymlink")
        .and_going_on("LinkToOutside")
        .leaves(&["a -> b", "b -> ../outside"]),
        case("through a link below a directory", |tar| {
            tar.directory("d").symlink("d/l", "../../outside").directory("d/l/new")
        })
        .refused("ThroughSymlink")
        .and_going_on("LinkToOutside")
        .leaves(&["d/ (700)", "d/l -> ../../outside"]),
        case("through a dangling link", |tar| tar.symlink("l", "../new").directory("l/x"))
            .refused("ThroughSymlink")
            .and_going_on("LinkToOutside")
            .leaves(&["l -> ../new"]),
        case("through a link in /proc", |tar| tar.symlink("l", "/proc/self/cwd").file("l/x", b"x"))
            .refused("ThroughSymlink")
            .and_going_on("LinkToOutside")
            .leaves(&["l -> /proc/self/cwd"]),
        case("through a directory that became a link", |tar| {
            tar.directory("d").symlink("d", "../outside").file("d/secret", b"x")
        })
        .refused("ThroughSymlink")
        .and_going_on("LinkToOutside")
        .leaves(&["d -> ../outside"]),
        case("through a used directory that became a link", |tar| {
            tar.directory("d").directory("d/e").file("d/e", b"").symlink("d/e", "../../outside").fifo("d/e/p")
        })
        .refused("ThroughSymlink")
        .and_going_on("LinkToOutside")
        .leaves(&["d/ (700)", "d/e -> ../../outside"]),
        case("through a link that was there", |tar| tar.file("old/secret", b"x"))
            .before(|world| symlink("../outside", world.target().join("old")).unwrap())
            .refused("ThroughSymlink")
            .leaves(&["old -> ../outside"]),
    ]
}
