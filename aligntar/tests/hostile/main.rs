//! Archives made to do harm: each is refused or harmless, in every way of unpacking, and what is around the target
//! stays as it is.

mod archive;
mod case;
mod damaged;
#[path = "../tree/describe.rs"]
mod describe;
mod names;
mod privileged;
mod replaced;
mod world;

use std::path::Path;

use aligntar::UnpackOptions;
use archive::Archive;
use world::{Way, World};

fn folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

#[test]
fn names_stay_below_the_target() {
    case::run(&names::cases(), folder());
}

#[test]
fn files_are_replaced_and_never_written_through() {
    case::run(&replaced::cases(), folder());
}

#[test]
fn lies_are_refused_or_harmless() {
    case::run(&damaged::cases(), folder());
}

#[test]
fn the_table_is_as_long_as_it_should_be() {
    let count = names::cases().len() + replaced::cases().len() + damaged::cases().len();
    assert!(count >= 60, "{count} cases");
}

#[test]
fn archives_cut_at_any_block_leave_no_file_half_written() {
    let whole = |outside: &Path| {
        Archive::new(outside)
            .directory("d")
            .file("d/long", &[b'l'; 3000])
            .symlink("l", "../outside")
            .pax(&[(b"path", b"d/other"), (b"mtime", b"1.5")])
            .file("x", &[b'o'; 600])
            .hard_link("h", "d/long")
            .into_bytes()
    };
    for way in Way::all() {
        let len = whole(Path::new("")).len();
        for cut in (0..len).step_by(512).flat_map(|cut| [cut, cut + 1, cut + 511]) {
            let world = World::new(folder());
            let outside = world.outside();
            let archive = &whole(&world.path("outside"))[..cut];
            let _ = way.unpack(archive, &world, UnpackOptions::default());
            let possible = [
                "d/",
                "d/ (700)",
                "d/long of 3000 bytes",
                "d/other of 600 bytes",
                "h of 3000 bytes",
                "l -> ../outside",
            ];
            let found = world.list();
            assert!(found.iter().all(|line| possible.contains(&line.as_str())), "cut at {cut}, {way:?}: {found:?}");
            assert!(!way.goes_on || !found.contains(&"d/ (700)".to_owned()), "cut at {cut}, {way:?}: {found:?}");
            assert_eq!(world.outside(), outside, "cut at {cut}, {way:?}");
        }
    }
}
