//! The lab's tree of mounts, up to the moment it becomes the root.

use std::ffi::CStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, unmount};
use rustix::process::{chdir, pivot_root};

use super::{EntrySpec, FileSystem, shell};

/// Mounts everything and makes it the root of this mount namespace.
pub(super) fn enter(spec: &EntrySpec) -> Result<()> {
    let root = debian(spec)?;
    kernel_file_systems(&root)?;
    for fs in FileSystem::ALL {
        image(spec, fs, &root)?;
    }
    storage(spec.fs, &root)?;
    for folder in &spec.binds {
        let inside = root.join(relative(folder));
        make_folder(&inside, 0o755)?;
        mount_bind_recursive(folder, &inside).with_context(|| format!("cannot bind {}", folder.display()))?;
    }
    if let Some(ckpt) = &spec.ckpt {
        // A copy: a build meanwhile must not change what is being tested.
        fs::copy(ckpt, root.join("usr/local/sbin/ckpt")).context("cannot copy ckpt")?;
    }
    chdir(&root)?;
    // Both the new and the old root at ".", see pivot_root(2) on that.
    pivot_root(".", ".").context("cannot make the Debian folder the root")?;
    unmount(".", UnmountFlags::DETACH).context("cannot leave the host's root")
}

/// The Debian folder under a writable layer in memory, so that it stays as made.
fn debian(spec: &EntrySpec) -> Result<PathBuf> {
    let cache = spec.images.folder();
    let layers = cache.join("mnt");
    make_folder(&layers, 0o755)?;
    new_mount("tmpfs", &layers, c"mode=755")?;
    for folder in ["upper", "work", "root"] {
        make_folder(&layers.join(folder), 0o755)?;
    }
    // Relative, since a comma or colon in the cache's path would end an option.
    chdir(cache)?;
    let root = layers.join("root");
    let options = c"lowerdir=debian,upperdir=mnt/upper,workdir=mnt/work";
    new_mount("overlay", &root, options)?;
    Ok(root)
}

fn kernel_file_systems(root: &Path) -> Result<()> {
    new_mount("proc", &root.join("proc"), c"")?;
    new_mount("sysfs", &root.join("sys"), c"")?;
    new_mount("cgroup2", &root.join("sys/fs/cgroup"), c"")?;
    mount_bind("/dev", root.join("dev")).context("cannot bind /dev")?;
    new_mount("devpts", &root.join("dev/pts"), c"newinstance,ptmxmode=0666,mode=620")?;
    new_mount("tmpfs", &root.join("dev/shm"), c"mode=1777")?;
    new_mount("tmpfs", &root.join("run"), c"mode=755")?;
    new_mount("tmpfs", &root.join("tmp"), c"mode=1777")
}

/// Mounted by mount(8), which attaches the loop device so that the kernel
/// detaches it at the last unmount.
fn image(spec: &EntrySpec, fs: FileSystem, root: &Path) -> Result<()> {
    let inside = root.join("mnt").join(fs.name());
    make_folder(&inside, 0o755)?;
    let options = match fs {
        // The background zeroing of inode tables would fill the sparse file.
        FileSystem::Ext4 => "loop,noinit_itable",
        FileSystem::Btrfs | FileSystem::Xfs => "loop",
    };
    let image = spec.images.path(fs);
    shell::run_quietly(Command::new("mount").args(["-t", fs.name(), "-o", options]).arg(&image).arg(&inside))
        .with_context(|| format!("cannot mount {fs}"))?;
    if spec.direct_io
        && let Err(error) = direct_io(&image)
    {
        eprintln!("xtask: the host's page cache holds {fs} a second time: {error:#}");
    }
    Ok(())
}

/// Has the loop device pass by the page cache of what `image` lies on, which not every file system allows (loop(4),
/// LOOP_SET_DIRECT_IO).
fn direct_io(image: &Path) -> Result<()> {
    let listed =
        shell::read(Command::new("losetup").args(["--noheadings", "--output", "NAME", "--associated"]).arg(image))?;
    shell::run_quietly(Command::new("losetup").args(["--direct-io=on", listed.trim()]))
}

/// podman's storage, and its temporary files, on the chosen file system.
fn storage(fs: FileSystem, root: &Path) -> Result<()> {
    let disk = root.join("mnt").join(fs.name());
    for (folder, mode, inside) in [("containers", 0o755, "var/lib/containers"), ("var-tmp", 0o1777, "var/tmp")] {
        make_folder(&disk.join(folder), mode)?;
        make_folder(&root.join(inside), mode)?;
        mount_bind(disk.join(folder), root.join(inside)).with_context(|| format!("cannot bind /{inside}"))?;
    }
    Ok(())
}

fn new_mount(fs_type: &str, target: &Path, options: &CStr) -> Result<()> {
    mount(fs_type, target, fs_type, MountFlags::empty(), options)
        .with_context(|| format!("cannot mount {fs_type} on {}", target.display()))
}

fn make_folder(path: &Path, mode: u32) -> Result<()> {
    fs::create_dir_all(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .with_context(|| format!("cannot make {}", path.display()))
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}
