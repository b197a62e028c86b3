//! The units of systemd that save a container each hour.

use std::fs;
use std::path::{Path, PathBuf};

use crate::history::Saves;
use crate::lab::*;

const UNITS: [&str; 2] = ["ckpt-save@.service", "ckpt-save@.timer"];

/// A unit's text, with the `ckpt` of this build.
fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name);
    fs::read_to_string(path).unwrap().replace("/usr/bin/ckpt", env!("CARGO_BIN_EXE_ckpt"))
}

/// Whether systemd accepts it, and its words.
fn verify(unit: &Path) -> (bool, String) {
    let output = run("systemd-analyze", &["verify", "--man=no", text(unit)]);
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
#[ignore = "needs systemd-analyze: cargo xtask test"]
fn btrfs_systemd_accepts_the_units_of_a_container() {
    let folder = tempfile::tempdir_in("/run").unwrap();
    let write = |name: &str, text: String| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    for name in UNITS {
        write(name, unit(name));
    }
    for name in UNITS {
        let (accepted, said) = verify(&write(&name.replace('@', "@web-1.x"), unit(name)));
        assert!(accepted && !said.contains("ckpt-save"), "{name}: {said}");
    }
    // It would say so.
    let broken = write("ckpt-save@broken.service", unit(UNITS[0]).replace("Type=oneshot", "Type=one-shot"));
    assert!(verify(&broken).1.contains("one-shot"));
}

/// The configuration, as long as this is there.
struct Configuration;

impl Configuration {
    fn write(text: &str) -> Self {
        fs::create_dir("/etc/ckpt").unwrap();
        fs::write("/etc/ckpt/ckpt.toml", text).unwrap();
        Configuration
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        fs::remove_dir_all("/etc/ckpt").unwrap();
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_what_the_service_does_keeps_what_the_configuration_says() {
    let store = Saves::new();
    let web = Container::run("web-1.x", &[], COUNT);
    let folder = store.folder().display();
    let _configuration = Configuration::write(&format!("store = \"{folder}\"\n[retention]\nkeep-last = 2\n"));
    let service = unit(UNITS[0]).replace("%i", &web.name);
    for _ in 0..3 {
        for command in service.lines().filter_map(|line| line.strip_prefix("ExecStart=")) {
            let mut words = command.split(' ');
            succeed(words.next().unwrap(), &words.collect::<Vec<_>>());
        }
    }
    let saves = store.saves(&web.name);
    let kept: Vec<_> = saves.iter().map(|save| (save["sequence"].as_u64(), save["tags"][0].as_str())).collect();
    assert_eq!(kept, [(Some(2), Some("timer")), (Some(3), Some("timer"))]);
    assert!(web.goes_on());

    let condition = service.lines().find_map(|line| line.strip_prefix("ExecCondition=/bin/sh -c '")).unwrap();
    let is_saved = || run("sh", &["-c", condition.strip_suffix('\'').unwrap()]).status.code();
    assert_eq!(is_saved(), Some(0));
    succeed("podman", &["stop", "--time=0", &web.name]);
    assert_eq!(is_saved(), Some(1), "a container that stands still is not saved each hour");
}
