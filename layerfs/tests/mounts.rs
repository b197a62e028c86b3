//! Layers of real mounts, from this kernel's own mount table.

mod support;

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use layerfs::{Change, LayerStore, Layers, MountsError, OverlayMounts, PartPaths, part_paths, walk};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};
use support::overlay::Overlay;

support::on_btrfs_and_xfs! {
    plain: privileged_btrfs_a_mount_names_its_layers, privileged_xfs_a_mount_names_its_layers;
    odd_names: privileged_btrfs_odd_layer_names_are_read_back, privileged_xfs_odd_layer_names_are_read_back;
    relative: privileged_btrfs_relative_layers_are_found, privileged_xfs_relative_layers_are_found;
    parts: privileged_btrfs_bind_mounts_are_parts, privileged_xfs_bind_mounts_are_parts;
    another_process: privileged_btrfs_mounts_of_another_process_are_seen, privileged_xfs_mounts_of_another_process_are_seen;
}

fn plain(filesystem: &str) -> Result<()> {
    // Data-only layers need metacopy.
    for (options, data_only) in [("", 0), ("userxattr", 0), ("redirect_dir=on,metacopy=on", 2)] {
        let overlay = Overlay::new(filesystem, 3, options)?.with_data_only(data_only)?;
        let mounted = overlay.mount("u")?;
        assert_eq!(OverlayMounts::new().layers_at(mounted.path())?, overlay.layers("u")?, "{options}");
        let link = overlay.layers("u")?.upperdir.with_file_name("link");
        std::os::unix::fs::symlink(mounted.path(), &link)?;
        assert_eq!(OverlayMounts::new().layers_at(&link)?, overlay.layers("u")?);
    }
    let answer = OverlayMounts::new().layers_at(filesystem.as_ref());
    assert!(matches!(answer, Err(MountsError::NotOverlay { .. })));
    Ok(())
}

fn odd_names(filesystem: &str) -> Result<()> {
    let folder = tempfile::tempdir_in(filesystem)?;
    let odd = |name: &str| folder.path().join(format!("{name} with:colon,comma\\backslash\nline"));
    let dirs = ["lower", "upper", "work"].map(odd);
    let merged = odd("merged");
    for dir in dirs.iter().chain([&merged]) {
        fs::create_dir(dir)?;
    }
    let escape = |at: usize| {
        let path = dirs[at].display().to_string();
        path.replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,")
    };
    let options = format!("lowerdir={},upperdir={},workdir={}", escape(0), escape(1), escape(2));
    // Not by mount(8), which reads the options in its own way.
    mount("overlay", &merged, "overlay", MountFlags::empty(), CString::new(options)?.as_c_str())?;
    let layers = OverlayMounts::new().layers_at(&merged);
    unmount(&merged, UnmountFlags::empty())?;
    let layers = layers?;
    assert_eq!(layers.lowerdirs, [dirs[0].clone()]);
    assert_eq!(layers.upperdir, dirs[1]);
    assert_eq!(layers.workdir.as_ref(), Some(&dirs[2]));
    Ok(())
}

/// As containers/storage mounts when the options would be too long.
fn relative(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 1, "")?;
    let expected = overlay.layers("u")?;
    let merged = expected.merged.clone().context("merged")?;
    let home = overlay.lower(0);
    let home = home.parent().context("home")?;
    let script =
        format!("mount -t overlay overlay -o lowerdir=lower0,upperdir=u/diff,workdir=u/work {}", merged.display());
    support::shell(home, &script)?;
    let layers = OverlayMounts::new().layers_at(&merged);
    support::run("umount", [&merged])?;
    assert_eq!(layers?, expected);
    Ok(())
}

/// A bind mount of `part` of a mounted overlay.
struct Bound(PathBuf);

impl Bound {
    fn new(merged: &Path, part: &str, to: PathBuf) -> Result<Self> {
        mount_bind(merged.join(part), &to)?;
        Ok(Bound(to))
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::empty()).unwrap();
    }
}

fn changes(layers: &Layers) -> Result<Vec<PathBuf>> {
    let mut changes = Vec::new();
    walk(layers, |change| {
        changes.push(match change {
            Change::Present(present) => present.path.to_owned(),
            Change::Deleted { path, .. } => path.to_owned(),
        });
        Ok::<(), std::convert::Infallible>(())
    })?;
    Ok(changes)
}

/// In the layers a part may be under another name, in none of the lower ones, or in these alone; a file is one as well.
fn parts(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 2, "redirect_dir=on")?;
    let layers = overlay.layers("u")?;
    support::shell(&overlay.lower(1), "mkdir -p moved/sub opaque plain; touch moved/sub/file opaque/old plain/file")?;
    let mounted = overlay.mount("u")?;
    let script = "mv moved away; rm -r opaque; mkdir opaque; touch opaque/new; echo more > away/sub/new";
    support::shell(mounted.path(), script)?;
    let whole = changes(&layers)?;
    let folder = tempfile::tempdir_in(filesystem)?;
    fs::write(folder.path().join("file"), "")?;
    for (part, to, upper, lowers) in [
        ("away/sub", "", Some("away/sub"), &["moved/sub"][..]),
        ("away", "", Some("away"), &["moved"]),
        ("opaque", "", Some("opaque"), &[]),
        ("plain", "", None, &["plain"]),
        ("away/sub/new", "file", Some("away/sub/new"), &[]),
        ("away/sub/file", "file", None, &["moved/sub/file"]),
    ] {
        let bound = Bound::new(mounted.path(), part, folder.path().join(to))?;
        let found = OverlayMounts::new().layers_at(&bound.0)?;
        drop(bound);
        assert_eq!((found.part.as_path(), &found.upperdir), (Path::new(part), &layers.upperdir));
        let upper = upper.map(|path| layers.upperdir.join(path));
        let lowers = lowers.iter().map(|path| overlay.lower(1).join(path)).collect();
        assert_eq!(part_paths(&found)?, PartPaths { upper, lowers }, "{part}");
        let expected: Vec<_> = whole.iter().filter(|path| path.starts_with(part)).cloned().collect();
        assert_eq!(changes(&found)?, expected, "{part}");
    }
    Ok(())
}

fn another_process(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 1, "")?;
    let layers = overlay.layers("u")?;
    let merged = layers.merged.clone().context("merged")?;
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        layers.lowerdirs[0].display(),
        layers.upperdir.display(),
        overlay.upper("u").with_file_name("work").display()
    );
    // Says so when the mount is there, and waits until its input ends.
    let script = format!("mount -t overlay overlay -o '{options}' '{}' && echo && read line", merged.display());
    let mut child = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "bash", "-c", &script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let mut line = [0];
    std::io::Read::read_exact(child.stdout.as_mut().context("stdout")?, &mut line)?;
    let seen = OverlayMounts::of_process(child.id()).layers_at(&merged);
    let here = OverlayMounts::new().layers_at(&merged);
    drop(child.stdin.take());
    child.wait()?;
    assert_eq!(seen?, layers);
    ensure!(matches!(here, Err(MountsError::NotMounted { .. })));
    let gone = OverlayMounts::of_process(child.id()).layers_at(&merged);
    ensure!(matches!(gone, Err(MountsError::NoTable { .. })));
    Ok(())
}
