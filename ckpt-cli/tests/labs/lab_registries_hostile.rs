//! Registries that lie, forget, or are cut off at any moment.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use crate::lab::*;
use crate::registry::{Answer, Registry, Spoken};
use serde_json::{Value, json};

const FILL: &str = "head -c 20000000 /dev/urandom > /srv/large; echo new > /srv/new";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn digest(bytes: &[u8]) -> String {
    let folder = folder();
    let path = folder.path().join("blob");
    fs::write(&path, bytes).unwrap();
    format!("sha256:{}", &succeed("sha256sum", &[text(&path)])[..64])
}

/// A manifest with a layer of this digest and length.
fn manifest(digest: &str, size: Value) -> Value {
    json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": 2},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": size}],
        "annotations": {"org.criu.checkpoint.container.name": "web"}
    })
}

/// A registry with one document for whatever is asked for, and one blob.
fn with(document: Vec<u8>, media_type: &'static str, blob: impl Fn(&str) -> Option<Answer> + Send + 'static) -> Spoken {
    Spoken::start(1 << 20, move |request| {
        let range = request.header("range").unwrap_or_default().to_owned();
        match &request.path[..] {
            "/v2/" => Answer::of("200 OK", &[], b"{}"),
            path if path.contains("/blobs/") => blob(&range),
            _ => Answer::of("200 OK", &[("Content-Type", media_type)], &document),
        }
    })
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_what_a_hostile_registry_says_is_refused() {
    let folder = folder();
    let registry = Registry::plain(folder.path(), 5001);
    let pulled = folder.path().join("pulled.tar");
    let refuses = |spoken: &Spoken, words: &str| {
        registry.told(&format!("[[registry]]\nlocation = 'localhost:{}'\ninsecure = true\n", spoken.port));
        let world = World::at_rest(folder.path());
        let image = spoken.image("web:1");
        for arguments in [&["pull", &image, "-e", text(&pulled)][..], &["restore", "-i", &format!("docker://{image}")]]
        {
            assert_says(&registry.ckpt_fails(arguments), &[words]);
        }
        world.assert_same(folder.path());
    };
    let blob = b"layer".repeat(1000);
    let name = digest(&blob);
    let bytes = |document: Value| document.to_string().into_bytes();
    let whole = |bytes: Vec<u8>| move |_: &str| Answer::of("200 OK", &[], &bytes);
    for (document, media_type, words) in [
        (b"<html>".to_vec(), MANIFEST, "its manifest is not understood"),
        (bytes(manifest("sha256:../../../../etc/passwd", 5000.into())), MANIFEST, "is not understood"),
        (bytes(manifest(&name, (-1).into())), MANIFEST, "is not understood"),
        (bytes(json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})), INDEX, "no image for this machine"),
        (vec![b' '; 5 << 20], MANIFEST, "an answer"),
        // Nothing that claims to be so long is made room for.
        (bytes(manifest(&name, (1u64 << 62).into())), MANIFEST, "has 5000 bytes there, and should have"),
        (bytes(manifest(&name, 4999.into())), MANIFEST, "has 5000 bytes there, and should have 4999"),
        (bytes(manifest(&digest(b"other"), 5000.into())), MANIFEST, "its layer is damaged"),
        (bytes(manifest(&name, 5000.into())), MANIFEST, "not a tar archive"),
    ] {
        refuses(&with(document, media_type, whole(blob.clone())), words);
    }
    // A part that was not asked for, where a line has broken.
    let document = bytes(manifest(&name, 5000.into()));
    let half = blob[..2500].to_vec();
    let lying = with(document.clone(), MANIFEST, move |range| match range {
        "" => Some(Answer { said_length: Some(5000), ..Answer::of("200 OK", &[], &half)? }),
        _ => Answer::of("206 Partial Content", &[("Content-Range", "bytes 4000-4999/5000")], &half[..1000]),
    });
    refuses(&lying, "another part than was asked for");
    // An index that leads to what it does not name.
    let named = json!([{"mediaType": MANIFEST, "digest": name, "size": 5000}]);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": named});
    refuses(&with(bytes(index), INDEX, whole(blob)), "not the one that was asked for");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_blob_that_a_registry_has_cut_off_is_not_used() {
    let folder = folder();
    let registry = Registry::plain(folder.path(), 5001);
    registry.told_insecure();
    let archive = archive_of_web(folder.path(), &[], &[], FILL);
    let (image, pulled) = (registry.image("web:1"), folder.path().join("pulled.tar"));
    for compression in ["none", "zstd"] {
        registry.ckpt(&["push", &archive, &image, "--compress", compression]);
        let layer = registry.files().remove(0);
        let whole = fs::read(&layer).unwrap();
        fs::write(&layer, &whole[..whole.len() / 3]).unwrap();
        assert_says(&registry.ckpt_fails(&["pull", &image, "-e", text(&pulled)]), &["bytes there, and should have"]);
        assert!(!pulled.exists());
        fs::remove_dir_all(&registry.blobs).unwrap();
    }
}

/// What a registry of the specification's words has of an upload, and what it got for it.
#[derive(Default)]
struct Uploaded {
    bytes: Vec<u8>,
    received: usize,
    breaks: usize,
    documents: usize,
}

/// An upload that breaks goes on where it was, with a registry that keeps it: OCI distribution specification, "Pushing a
/// blob in chunks".
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_an_upload_goes_on_where_it_broke() {
    let folder = folder();
    let registry = Registry::plain(folder.path(), 5001);
    let archive = archive_of_web(folder.path(), &[], &[], FILL);
    let length = fs::metadata(&archive).unwrap().len() as usize;
    let uploaded = Arc::new(Mutex::new(Uploaded::default()));
    let spoken = Spoken::start(7_000_000, {
        let uploaded = uploaded.clone();
        move |request| {
            let mut uploaded = uploaded.lock().unwrap();
            let is_large = request.path == "/upload/large";
            match &request.method[..] {
                "HEAD" => Answer::of("404 Not Found", &[], b""),
                "POST" if uploaded.bytes.is_empty() => {
                    Answer::of("202 Accepted", &[("Location", "/upload/large")], b"")
                }
                "POST" => Answer::of("202 Accepted", &[("Location", "/upload/small")], b""),
                "PATCH" => {
                    uploaded.received += request.body.len();
                    uploaded.bytes.extend(&request.body);
                    uploaded.breaks += usize::from(!request.is_whole);
                    let answer = Answer::of("202 Accepted", &[("Location", "/upload/large")], b"");
                    answer.filter(|_| request.is_whole)
                }
                "GET" if is_large => {
                    let range = format!("0-{}", uploaded.bytes.len() - 1);
                    Answer::of("204 No Content", &[("Range", &range), ("Location", "/upload/large")], b"")
                }
                "PUT" => {
                    uploaded.documents += usize::from(request.path.contains("/manifests/"));
                    Answer::of("201 Created", &[], b"")
                }
                _ => Answer::of("200 OK", &[], b"{}"),
            }
        }
    });
    registry.told(&format!("[[registry]]\nlocation = 'localhost:{}'\ninsecure = true\n", spoken.port));
    registry.ckpt(&["push", &archive, &spoken.image("web:1"), "--compress", "none"]);
    let uploaded = uploaded.lock().unwrap();
    assert_eq!((uploaded.breaks, uploaded.documents), (length / 7_000_000, 2));
    // Nothing came twice.
    assert_eq!(uploaded.received, length);
    assert!(uploaded.bytes == fs::read(&archive).unwrap(), "the layer is another one");
}

/// distribution 2.8, Debian's docker-registry, keeps no upload that broke: the next question about it is its end. So `ckpt`
/// begins it anew.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_docker_registry_keeps_no_upload_that_broke() {
    let folder = folder();
    let _registry = Registry::plain(folder.path(), 5001);
    let curl = |arguments: &[&str]| succeed("curl", &[&["-s", "-i", "--max-time", "20"], arguments].concat());
    let location = |answer: &str| {
        let found = answer.lines().find_map(|line| line.strip_prefix("Location: ")).map(|url| url.trim().to_owned());
        found.unwrap_or_else(|| panic!("{answer}"))
    };
    let begun = location(&curl(&["-X", "POST", "http://localhost:5001/v2/web/blobs/uploads/"]));
    let part = folder.path().join("part");
    fs::write(&part, vec![7; 1 << 20]).unwrap();
    let data = format!("@{}", part.display());
    let kept = curl(&["-X", "PATCH", "-H", "Content-Type: application/octet-stream", "--data-binary", &data, &begun]);
    // What it has acknowledged, it has.
    let url = location(&kept);
    assert_says(&curl(&[&url]), &["204 No Content", "Range: 0-1048575"]);
    // A line that breaks within a part.
    let path = url.strip_prefix("http://localhost:5001").unwrap();
    let mut line = TcpStream::connect(("localhost", 5001)).unwrap();
    write!(line, "PATCH {path} HTTP/1.1\r\nHost: localhost:5001\r\nContent-Length: 1000000\r\n\r\n").unwrap();
    line.write_all(&[7; 300_000]).unwrap();
    line.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = line.read_to_end(&mut Vec::new());
    let forgotten = wait_for("the registry to have heard of it", || {
        let answer = curl(&[&url]);
        (!answer.contains("204 No Content")).then_some(answer)
    });
    assert_says(&forgotten, &["404 Not Found"]);
}

/// An archive of an image that is whole; none if there is none.
fn pulled_optional(image: &str, archive: &str, pulled: &Path) -> bool {
    let output = run(env!("CARGO_BIN_EXE_ckpt"), &["pull", image, "-e", text(pulled)]);
    if output.status.success() {
        assert!(run("cmp", &[archive, text(pulled)]).status.success(), "{image} is another archive");
        fs::remove_file(pulled).unwrap();
    }
    assert!(!pulled.exists());
    output.status.success()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_killed_pushes_and_pulls_leave_all_or_nothing_under_a_name() {
    let folder = folder();
    let registry = Registry::plain(folder.path(), 5001);
    registry.told_insecure();
    let archive = archive_of_web(folder.path(), &[], &[], FILL);
    let [pulled, checked] = ["pulled.tar", "checked.tar"].map(|name| folder.path().join(name));
    let in_folder = format!("oci:{}/images:web", folder.path().display());
    let in_registry = registry.image("web:1");
    let (mut whole, mut moments) = (0, 0);
    for moment in 0..12 {
        for folder in [&folder.path().join("images"), &registry.blobs] {
            let _ = fs::remove_dir_all(folder);
        }
        moments += 1;
        for arguments in [
            &["push", &archive, &in_folder][..],
            &["push", &archive, &in_registry, "--compress", "none"],
            &["pull", &in_registry, "-e", text(&pulled)],
        ] {
            let mut ckpt = registry.command(env!("CARGO_BIN_EXE_ckpt"), arguments);
            let mut ckpt = ckpt.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            sleep(Duration::from_millis(5 << (moment % 6)));
            let _ = ckpt.kill();
            ckpt.wait().unwrap();
        }
        if pulled.exists() {
            assert!(run("cmp", &[&archive, text(&pulled)]).status.success());
            fs::remove_file(&pulled).unwrap();
        }
        whole += usize::from(pulled_optional(&in_folder, &archive, &checked));
        // Nothing else has a name.
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.retain(|name| {
            !matches!(name.to_str(), Some("images" | "5001.yml" | "registry-5001" | "settings-5001" | "web.tar"))
        });
        assert!(names.is_empty(), "{names:?}");
    }
    println!("{whole} of {moments} pushes to a folder were complete");
    // The next try goes well, and leaves no more than the image in the folder.
    registry.ckpt(&["push", &archive, &in_folder]);
    registry.ckpt(&["push", &archive, &in_registry]);
    assert!(pulled_optional(&in_folder, &archive, &checked));
    registry.ckpt(&["pull", &in_registry, "-e", text(&pulled)]);
    assert!(run("cmp", &[&archive, text(&pulled)]).status.success());
    let blobs = fs::read_dir(folder.path().join("images/blobs/sha256")).unwrap().count();
    assert!(blobs <= 3 + 12, "{blobs} blobs");
}
