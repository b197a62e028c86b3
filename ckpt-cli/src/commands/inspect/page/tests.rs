//! The page as a text: nothing in it is loaded from anywhere, and no word of an archive is markup.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use ckpt_core::BytePath;
use ckpt_core::inside::{Access, Descriptor, MountPoint, Mounts, OpenFile, Process, ProcessState};
use ckpt_core::inspect::{Changes, Inspection, Maker, Port, Rights, Share, SizedPath};
use ckpt_core::privileges::{Granted, Privilege};

use super::*;

/// A name that would be markup, a style, an attribute, and a terminal's command.
const EVIL: &str =
    "</style><script>alert(1)</script><img src=x onerror=alert(2)>\"' style='background:url(//x)' \x1b[2J\u{202e}&";

fn evil_path() -> BytePath {
    OsStr::from_bytes(&[EVIL.as_bytes(), b"\xff"].concat()).into()
}

fn share(parts: Vec<Share>) -> Share {
    Share { name: EVIL.into(), bytes: 1000, parts }
}

fn process() -> Process {
    let file = OpenFile::File { path: evil_path(), access: Access::Read, position: 0, size: None, deleted: false };
    Process {
        pid: 1,
        parent_pid: 0,
        depth: 0,
        group_id: 1,
        session_id: 1,
        name: EVIL.into(),
        state: ProcessState::Stopped,
        exit_status: None,
        threads: Vec::new(),
        executable: Some(evil_path()),
        command_line: Some(vec![EVIL.into()]),
        memory: None,
        credentials: None,
        environment: Some(vec![EVIL.into()]),
        working_directory: None,
        root: None,
        files: Some(vec![Descriptor { fd: 3, close_on_exec: false, file }]),
        sockets: None,
        limits: None,
    }
}

fn hostile() -> Picture {
    let text = || EVIL.to_owned();
    let mount = MountPoint {
        namespace_id: 1,
        id: 1,
        parent_id: 0,
        mount_point: evil_path(),
        root: evil_path(),
        file_system: text(),
        source: EVIL.into(),
        read_only: false,
        options: EVIL.into(),
        external: None,
    };
    let inspection = Inspection {
        engine: Maker::Podman,
        pod: None,
        id: text(),
        name: text(),
        image: text(),
        image_id: text(),
        runtime: text(),
        manifest: None,
        compressed: false,
        archive_bytes: 1,
        parts: Vec::new(),
        deleted: 0,
        privileges: vec![Granted { by: "spec.dump", privilege: Privilege::Secret { name: text() } }],
        concerns: vec![text()],
        blocks: None,
        inside: ckpt_core::inside::Inside {
            processes: Some(vec![process()]),
            mounts: Some(Mounts { configured: Vec::new(), mounted: vec![mount] }),
            ..Default::default()
        },
    };
    let rights = Rights {
        capabilities: vec![text()],
        apparmor_profile: text(),
        devices: vec![text()],
        network: text(),
        ports: vec![Port { host_ip: text(), protocol: text(), ..Port::default() }],
        ..Rights::default()
    };
    let changes = Changes {
        files: 1,
        deleted: 1,
        largest: vec![SizedPath { path: evil_path(), bytes: 7 }],
        deleted_paths: vec![evil_path()],
        ..Changes::default()
    };
    Picture { inspection, shares: vec![share(vec![share(vec![share(Vec::new())])])], rights, changes }
}

#[test]
fn no_word_of_an_archive_is_markup() {
    let page = page(&hostile()).into_string();
    assert_eq!(page.matches("<script").count(), 0);
    assert_eq!(page.matches("<style").count(), 1, "only the page's own");
    assert_eq!(page.matches("</style").count(), 1);
    assert!(page.matches("&lt;script&gt;").count() > 20, "each place shows it as text");
    assert!(!page.contains("<img") && !page.contains('\x1b') && !page.contains('\u{202e}'));
    // Quotes end no attribute.
    assert!(!page.contains("\"' style='") && page.contains("&quot;' style='"));
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let page = page(&hostile()).into_string();
    assert!(page.contains(&format!("content=\"{POLICY}\"")));
    // What an archive says is text: it does not count.
    let own = page.replace("&lt;img src=x", "").replace("url(//x)", "");
    for loads in ["src=", "url(", "@import", "<link", "<iframe", "<object", "<embed", "<form", "http:", "https:", "//"]
    {
        assert!(!own.contains(loads), "{loads}");
    }
    for target in own.split("href=\"").skip(1) {
        assert!(target.starts_with('#'), "{}", &target[..20]);
    }
}
