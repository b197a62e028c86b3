//! Volumes that are not the container's alone: others write to them meanwhile, and another engine's layers lie in them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::*;

/// Writes to $1 without a pause: a log that grows, a file that is cut and written again, names that come, move and go.
/// Both files are beginnings of `seq` at any moment.
const WRITE: &str = r#"
cd $1; i=0
while :; do
    i=$((i+1)); echo $i >> log
    [ $((i % 10)) = 0 ] || continue
    seq 1 9000 > cut
    mkdir made; echo $i > made/file; ln made/file made/hard; ln -s file made/link; mkfifo made/fifo
    mv made moved; ln -s moved made; echo $i > new; mv new renamed; rm -r made moved
done
"#;

/// What a reader of both places is checkpointed from, while others write there.
struct Shared {
    reader: Container,
    archives: Vec<PathBuf>,
    pod: Pod,
}

impl Shared {
    /// Checkpoints of the pod's member `reader`, until they have said who writes where.
    fn checkpoint(runtime: &str, folder: &Path) -> Self {
        let pod = Pod::create("shared-pod");
        let of_pod = ["--runtime", runtime, "--pod", "shared-pod", "-v", "shared-data:/data"];
        let reader = Container::run("reader", &of_pod, COUNT);
        let writers = ["/data", "/dev/shm"].map(|place| {
            let script = format!("set -- {place}\n{WRITE}");
            Container::run(&format!("writer{}", place.replace('/', "-")), &of_pod, &script)
        });
        wait_for("the writers", || reader.exec("cat /data/log /dev/shm/log").lines().nth(100).map(drop));
        let (mut said, mut archives) = (String::new(), Vec::new());
        let both = ["volume shared-data: ", "/dev/shm: "].map(|place| format!("Warning: others write to {place}"));
        // A write does not fall into each.
        while archives.len() < 12 || !both.iter().all(|warning| said.contains(warning)) {
            assert!(archives.len() < 100, "{said}");
            let archive = folder.join(format!("{}.tar", archives.len()));
            let output = run(env!("CARGO_BIN_EXE_ckpt"), &["checkpoint", "reader", "-R", "-e", text(&archive)]);
            let words = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success(), "{words}");
            said += &words;
            ckpt(&["verify", text(&archive)]);
            archives.push(archive);
        }
        assert!(writers.iter().all(Container::is_running));
        Shared { reader, archives, pod }
    }

    /// Each archive has beginnings of the files; the last one is restored once all others are gone.
    fn restore(self) {
        let numbers: String = (1..=1_000_000).map(|number| format!("{number}\n")).collect();
        for (archive, file) in self.archives.iter().flat_map(|archive| ["log", "cut"].map(|file| (archive, file))) {
            for nested in ["volumes/shared-data.tar", "devshm-checkpoint.tar"] {
                let script = format!("tar -xOf {} {nested} | tar -xOf - --wildcards '*{file}'", archive.display());
                let content = succeed("sh", &["-c", &script]);
                assert!(numbers.starts_with(&content), "{file} in {nested} of {}", archive.display());
            }
        }
        self.pod.remove();
        podman(&["volume", "rm", "shared-data"]);
        let _pod = Pod::create("shared-pod");
        ckpt(&["restore", "-i", text(self.archives.last().unwrap()), "--pod", "shared-pod"]);
        assert!(self.reader.goes_on());
        assert!(numbers.starts_with(&self.reader.exec("cat /data/log")));
    }
}

fn what_others_write_to_is_taken(runtime: &str) {
    let _volume = Volume::named("shared-data");
    let folder = folder();
    Shared::checkpoint(runtime, folder.path()).restore();
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn what_others_write_to_is_taken_crun() {
    what_others_write_to_is_taken("crun");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn ext4_what_others_write_to_is_taken_runc() {
    what_others_write_to_is_taken("runc");
}

/// A lower and an upper directory as another engine has them: opaque, redirected, metacopy, whiteout.
const LAYERS: &str = "
    set -e; cd $1; mkdir lower upper work merged
    mkdir lower/opaque lower/renamed; echo old > lower/opaque/old; echo kept > lower/renamed/kept
    echo data > lower/metacopy; echo gone > lower/deleted
    mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work,metacopy=on,redirect_dir=on merged
    cd merged; rm -r opaque; mkdir opaque; echo new > opaque/new; mv renamed name; chmod 600 metacopy; rm deleted
    cd ..; umount merged";

/// The merged tree of those in the folder `data`.
fn merged(data: &Path) -> std::collections::BTreeMap<PathBuf, String> {
    let options = "lowerdir=lower,upperdir=upper,workdir=work,metacopy=on,redirect_dir=on";
    let script = format!("cd {} && mount -t overlay overlay -o {options} merged", data.display());
    succeed("sh", &["-c", &script]);
    let tree = describe_tree(&data.join("merged"));
    succeed("umount", &[text(&data.join("merged"))]);
    tree
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn layers_of_another_engine_come_back_in_a_volume() {
    let (folder, volume) = (folder(), Volume::named("layers"));
    let archive = folder.path().join("x.tar");
    let original = Container::run("engine", &["-v", "layers:/data"], COUNT);
    let mountpoint = || PathBuf::from(podman(&["volume", "inspect", "--format", "{{.Mountpoint}}", "layers"]));
    succeed("sh", &["-c", LAYERS, "sh", text(&mountpoint())]);
    let before = merged(&mountpoint());
    assert_eq!(fs::read_to_string(mountpoint().join("lower/opaque/old")).unwrap(), "old\n");
    assert!(!before.contains_key(Path::new("opaque/old")) && before.contains_key(Path::new("name/kept")));
    original.checkpoint_and_remove(&archive);
    volume.remove();
    ckpt(&["restore", "-i", text(&archive)]);
    assert_same_tree(&before, &merged(&mountpoint()));
    original.remove();
}
