//! Members that take the place of what is there, and hard links.

use std::fs;
use std::os::unix::fs::symlink;

use crate::archive::{field, put};
use crate::case::{Case, case};
use crate::world::World;

pub(crate) fn cases() -> Vec<Case> {
    [replaced(), replaced_before(), hard_links(), hard_links_outside(), links()].into_iter().flatten().collect()
}

fn replaced() -> Vec<Case> {
    vec![
        case("a link by a file", |tar| tar.symlink("a", "../outside/secret").file("a", b"x")).leaves(&["a = x"]),
        case("a dangling link by a file", |tar| tar.symlink("a", "../new").file("a", b"x")).leaves(&["a = x"]),
        case("a link by a directory", |tar| tar.symlink("a", "../outside").directory("a").file("a/secret", b"x"))
            .leaves(&["a/", "a/secret = x"]),
        case("a link by a FIFO", |tar| tar.symlink("a", "../outside/secret").fifo("a")).leaves(&["a |"]),
        case("a directory by a link, with its attributes waiting", |tar| {
            tar.header(b"a", b'5', 0, |header| put(header, field::MODE, b"0000700")).symlink("a", "../outside")
        })
        .leaves(&["a -> ../outside"]),
        case("a directory by a file", |tar| tar.directory("a").file("a", b"x")).leaves(&["a = x"]),
        case("a file by a directory", |tar| tar.file("a", b"x").directory("a")).leaves(&["a/"]),
        case("a full directory by a link", |tar| tar.directory("a").file("a/b", b"x").symlink("a", "../outside"))
            .refused("rmdir: DirectoryNotEmpty")
            .leaves(&["a/ (700)", "a/b = x"]),
        case("a full directory by a file", |tar| tar.file("a/b", b"x").file("a", b"y"))
            .refused("rmdir: DirectoryNotEmpty")
            .leaves(&["a/", "a/b = x"]),
        case("a name of every kind", |tar| {
            let tar = tar.file("a", b"1").symlink("a", "../outside").directory("a").fifo("a").file("a", b"2");
            tar.directory("a").symlink("a", "../outside/secret").file("b", b"3").hard_link("a", "b").file("a", b"4")
        })
        .leaves(&["a = 4", "b = 3"]),
        case("a name many times", |tar| {
            (0..100).fold(tar, |tar, number| tar.file("a", format!("{number}").as_bytes()))
        })
        .leaves(&["a = 99"]),
        case("a directory many times", |tar| (0..5000).fold(tar, |tar, _| tar.directory("a"))).leaves(&["a/"]),
    ]
}

/// A file that has another name outside, a link outside, a directory with a file, and a FIFO.
fn make_old(world: &World) {
    let old = |name: &str| world.target().join(name);
    fs::hard_link(world.path("outside/secret"), old("hard")).unwrap();
    symlink("../outside", old("link")).unwrap();
    fs::create_dir(old("full")).unwrap();
    fs::write(old("full/file"), b"old").unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        old("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    // Links count in the description of the outside, the umask in that of the target.
    fs::set_permissions(old("full"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

fn replaced_before() -> Vec<Case> {
    let taken = |name, archive: fn(_) -> _| case(name, archive).before(make_old);
    vec![
        taken("an old link by a directory", |tar| tar.directory("link").file("link/secret", b"x")).leaves(&[
            "fifo | (600)",
            "full/",
            "full/file = old",
            "hard = nobody may read or write this",
            "link/",
            "link/secret = x",
        ]),
        taken("an old link by a file", |tar| tar.file("link", b"x")).leaves(&[
            "fifo | (600)",
            "full/",
            "full/file = old",
            "hard = nobody may read or write this",
            "link = x",
        ]),
        taken("an old FIFO by a file", |tar| tar.file("fifo", b"x")).leaves(&[
            "fifo = x",
            "full/",
            "full/file = old",
            "hard = nobody may read or write this",
            "link -> ../outside",
        ]),
        taken("an old directory by a file", |tar| tar.file("full", b"x")).refused("rmdir: DirectoryNotEmpty"),
        taken("an old directory is kept", |tar| tar.directory("full").file("full/new", b"x")).leaves(&[
            "fifo | (600)",
            "full/",
            "full/file = old",
            "full/new = x",
            "hard = nobody may read or write this",
            "link -> ../outside",
        ]),
    ]
}

fn hard_links() -> Vec<Case> {
    vec![
        case("a hard link to itself that is not there", |tar| tar.hard_link("a", "a"))
            .refused("find what it links to: NotFound")
            .leaves(&[]),
        case("a hard link to itself", |tar| tar.file("a", b"x").hard_link("a", "a")).leaves(&["a = x"]),
        case("a hard link to a later member", |tar| tar.hard_link("a", "b").file("b", b"x"))
            .refused("find what it links to: NotFound")
            .leaves(&[])
            .going_on(&[], &["a = x", "b = x"]),
        case("a hard link to nothing keeps what it would replace", |tar| tar.file("a", b"x").hard_link("a", "b"))
            .refused("find what it links to: NotFound")
            .leaves(&["a = x"]),
        case("a hard link to a directory", |tar| tar.directory("d").hard_link("a", "d"))
            .refused("LinkToDirectory")
            .leaves(&["d/ (700)"]),
        case("a hard link to the root", |tar| tar.hard_link("a", ".")).refused("Root").leaves(&[]),
        case("a hard link to the empty name", |tar| tar.hard_link("a", "")).refused("LinkTarget(Empty)").leaves(&[]),
        case("a hard link to below a file", |tar| tar.file("f", b"x").hard_link("a", "f/x"))
            .refused("ThroughFile")
            .leaves(&["f = x"]),
        case("a hard link to a FIFO", |tar| tar.fifo("p").hard_link("a", "p")).leaves(&["a |", "p |"]),
        case("a hard link with data", |tar| {
            tar.file("f", b"one")
                .header(b"a", b'1', 3, |header| put(header, field::LINKNAME, b"f"))
                .raw(b"two")
                .file("g", b"three")
        })
        .leaves(&["a = one", "f = one", "g = three"]),
        case("a linked file is replaced, not written", |tar| {
            tar.file("f", b"one").hard_link("a", "f").file("f", b"two")
        })
        .leaves(&["a = one", "f = two"]),
        case("a hard link of a long file that comes later", |tar| {
            tar.file("f", &[b'x'; 300_000]).hard_link("a", "f").file("f", b"two")
        })
        .leaves(&["a of 300000 bytes", "f = two"]),
    ]
}

fn hard_links_outside() -> Vec<Case> {
    vec![
        case("a hard link upwards", |tar| tar.hard_link("a", "../outside/secret"))
            .refused("LinkTarget(DotDot)")
            .leaves(&[]),
        case("an absolute hard link", |tar| {
            let target = format!("{}/secret", tar.outside);
            tar.pax(&[(b"linkpath", target.as_bytes())]).hard_link("a", "")
        })
        .refused("find what it links to: NotFound")
        .leaves(&[]),
        case("a hard link through a link", |tar| tar.symlink("l", "../outside").hard_link("a", "l/secret"))
            .refused("ThroughSymlink")
            .and_going_on("LinkToOutside")
            .leaves(&["l -> ../outside"]),
        case("a hard link through an old link", |tar| tar.hard_link("a", "old/secret"))
            .before(|world| symlink("../outside", world.target().join("old")).unwrap())
            .refused("ThroughSymlink")
            .leaves(&["old -> ../outside"]),
        case("a hard link to a link is one to the link", |tar| {
            tar.symlink("l", "../outside/secret").hard_link("a", "l").file("a", b"x")
        })
        .leaves(&["a = x", "l -> ../outside/secret"]),
        case("a name of a hard link to a link as a directory", |tar| {
            tar.symlink("l", "../outside").hard_link("a", "l").file("a/secret", b"x")
        })
        .refused("ThroughSymlink")
        .and_going_on("LinkToOutside")
        .leaves(&["a -> ../outside", "l -> ../outside"]),
    ]
}

fn links() -> Vec<Case> {
    vec![
        case("a symbolic link to nothing", |tar| tar.symlink("l", "")).refused("make the node: NotFound").leaves(&[]),
        case("a symbolic link longer than PATH_MAX", |tar| tar.pax(&[(b"linkpath", &[b'x'; 5000])]).symlink("l", ""))
            .refused("make the node: InvalidFilename")
            .leaves(&[]),
    ]
}
