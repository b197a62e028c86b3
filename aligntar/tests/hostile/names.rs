//! Paths that lead outside, or nowhere.

use std::fs;
use std::os::unix::fs::symlink;

use crate::archive::{field, put};
use crate::case::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    [plain(), odd(), through_files(), through_symlinks(), through_own_links()].into_iter().flatten().collect()
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

/// What is left of links that lead to one another, as lists are sorted.
static LADDER: std::sync::LazyLock<Vec<&'static str>> = std::sync::LazyLock::new(|| {
    let links = (0..50).map(|at| &*format!("l{} -> l{at}", at + 1).leak());
    let mut left: Vec<_> = ["d/", "l0 -> d"].into_iter().chain(links).collect();
    left.sort_unstable();
    left
});

/// Links that an unpacker which goes on may follow: as far as the directory goes, and not a step beyond it.
fn through_own_links() -> Vec<Case> {
    let refused = |name, archive: fn(_) -> _, why: &'static str, left: &[&'static str]| {
        case(name, archive).refused("ThroughSymlink").going_on(&[why], left)
    };
    let allowed = |name, archive: fn(_) -> _, left: &[&'static str]| {
        case(name, archive).refused("ThroughSymlink").going_on(&[], left)
    };
    vec![
        allowed(
            "through a link to the directory above",
            |tar| tar.directory("d").symlink("d/l", "..").file("d/l/x", b"x"),
            &["d/", "d/l -> ..", "x = x"],
        ),
        refused(
            "through a link that climbs one step too far",
            |tar| tar.directory("d").symlink("d/l", "../..").file("d/l/secret", b"x"),
            "LinkToOutside",
            &["d/", "d/l -> ../.."],
        ),
        refused(
            "out and in again",
            |tar| tar.directory("d").symlink("l", "../target/d").file("l/x", b"x"),
            "LinkToOutside",
            &["d/", "l -> ../target/d"],
        ),
        refused(
            "through a chain that climbs step by step",
            |tar| {
                let tar = tar.directory("a").directory("a/b").symlink("a/b/up", "..").symlink("s", "a/b/up/..");
                tar.symlink("t", "s/../outside").directory("t/new")
            },
            "LinkToOutside",
            &["a/", "a/b/", "a/b/up -> ..", "s -> a/b/up/..", "t -> s/../outside"],
        ),
        refused(
            "through a link below a link that lead outside together",
            |tar| {
                let tar = tar.directory("deep").directory("deep/er").symlink("deep/er/l", "../../..");
                tar.symlink("short", "deep/er").file("short/l/outside/secret", b"x")
            },
            "LinkToOutside",
            &["deep/", "deep/er/", "deep/er/l -> ../../..", "short -> deep/er"],
        ),
        refused(
            "through a link that another one replaced",
            |tar| {
                tar.directory("d").symlink("l", "d").file("l/a", b"x").symlink("l", "../outside").file("l/secret", b"y")
            },
            "LinkToOutside",
            &["d/", "d/a = x", "l -> ../outside"],
        ),
        refused(
            "through a link whose directory became a link outside",
            |tar| {
                let tar = tar.directory("d").directory("d/e").symlink("l", "d/e").directory("l/f").fifo("l/f");
                tar.fifo("l/f").symlink("d/e/f", "../../../outside").file("l/f/secret", b"x")
            },
            "LinkToOutside",
            &["d/", "d/e/", "d/e/f -> ../../../outside", "l -> d/e"],
        ),
        refused(
            "through a directory that moved away under a link",
            |tar| {
                let tar = tar.directory("d").directory("d/e").symlink("l", "d/e").directory("l/f").file("d/e/f", b"1");
                tar.file("d/e/f/x", b"x")
            },
            "ThroughFile",
            &["d/", "d/e/", "d/e/f = 1", "l -> d/e"],
        ),
        refused(
            "a hard link by way of a link of the archive",
            |tar| tar.symlink("l", "../outside").hard_link("a", "l/secret"),
            "LinkToOutside",
            &["l -> ../outside"],
        ),
        refused(
            "through more links than the kernel follows",
            |tar| {
                let tar = tar.directory("d").symlink("l0", "d");
                (0..50).fold(tar, |tar, at| tar.symlink(&format!("l{}", at + 1), &format!("l{at}"))).file("l50/x", b"x")
            },
            "LinkToNothing",
            &LADDER,
        ),
        allowed(
            "the mode of a directory by way of a link",
            |tar| {
                let tar = tar.directory("d").directory("d/e").symlink("l", "d");
                tar.header(b"l/e", b'5', 0, |header| put(header, field::MODE, b"0000700")).file("l/e/x", b"x")
            },
            &["d/", "d/e/ (700)", "d/e/x = x", "l -> d"],
        ),
    ]
}
