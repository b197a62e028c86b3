//! Overlay mounts over fresh layers on a given filesystem.

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use layerfs::{Layers, XattrNamespace};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;

/// Layers in a folder of their own.
pub(crate) struct Overlay {
    folder: TempDir,
    lowers: usize,
    data_only: usize,
    options: String,
}

impl Overlay {
    /// `lowers` empty lower layers on the filesystem mounted at `filesystem`; `options` as for mount(8).
    pub(crate) fn new(filesystem: &str, lowers: usize, options: &str) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("layerfs-")
            .tempdir_in(filesystem)
            .with_context(|| format!("no folder on {filesystem}; the tests run by cargo xtask test have one"))?;
        let overlay = Self { folder, lowers, data_only: 0, options: options.into() };
        for index in 0..lowers {
            fs::create_dir(overlay.lower(index))?;
        }
        Ok(overlay)
    }

    /// Adds layers that only lend data.
    pub(crate) fn with_data_only(mut self, count: usize) -> Result<Self> {
        self.data_only = count;
        for index in 0..count {
            fs::create_dir(self.data_layer(index))?;
        }
        Ok(self)
    }

    /// A lower layer, 0 on top.
    pub(crate) fn lower(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("lower{index}"))
    }

    pub(crate) fn data_layer(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("data{index}"))
    }

    pub(crate) fn upper(&self, name: &str) -> PathBuf {
        self.folder.path().join(name).join("diff")
    }

    /// The layers with the upperdir `name`, which is made if need be.
    pub(crate) fn layers(&self, name: &str) -> Result<Layers> {
        for dir in ["diff", "work", "merged"] {
            fs::create_dir_all(self.folder.path().join(name).join(dir))?;
        }
        let userxattr = self.options.split(',').any(|option| option == "userxattr");
        Ok(Layers {
            merged: Some(self.folder.path().join(name).join("merged")),
            data_only_lowerdirs: (0..self.data_only).map(|index| self.data_layer(index)).collect(),
            workdir: Some(self.folder.path().join(name).join("work")),
            xattr_ns: if userxattr { XattrNamespace::User } else { XattrNamespace::Trusted },
            ..Layers::new(self.upper(name), (0..self.lowers).map(|index| self.lower(index)).collect())
        })
    }

    /// Mounts with the upperdir `name`.
    pub(crate) fn mount(&self, name: &str) -> Result<Mounted> {
        self.mount_layers(&self.layers(name)?)
    }

    /// Mounts with a lower layer as the upperdir over those below it, to let the kernel fill it.
    pub(crate) fn mount_lower(&self, index: usize) -> Result<Mounted> {
        let mut layers = self.layers(&format!("for-lower{index}"))?;
        layers.upperdir = self.lower(index);
        layers.lowerdirs.drain(..=index);
        self.mount_layers(&layers)
    }

    fn mount_layers(&self, layers: &Layers) -> Result<Mounted> {
        let lowerdirs: Vec<_> = layers.lowerdirs.iter().map(|dir| dir.display().to_string()).collect();
        let mut options = format!("lowerdir={}", lowerdirs.join(":"));
        for dir in &layers.data_only_lowerdirs {
            options += &format!("::{}", dir.display());
        }
        let workdir = layers.workdir.as_deref().context("workdir")?;
        options += &format!(",upperdir={},workdir={}", layers.upperdir.display(), workdir.display());
        if !self.options.is_empty() {
            options += &format!(",{}", self.options);
        }
        Mounted::new(layers.merged.clone().context("merged")?, &options)
    }

    /// Runs a shell script in the mounted overlay with the upperdir `name`.
    pub(crate) fn change(&self, name: &str, script: &str) -> Result<()> {
        let mounted = self.mount(name)?;
        super::shell(mounted.path(), script)
    }
}

/// A mounted overlay; unmounted when dropped.
pub(crate) struct Mounted {
    path: PathBuf,
}

impl Mounted {
    pub(crate) fn new(path: PathBuf, options: &str) -> Result<Self> {
        // Not by mount(8): starting a program costs more than the mount.
        let data = CString::new(options)?;
        mount("overlay", &path, "overlay", MountFlags::empty(), data.as_c_str())
            .with_context(|| format!("mount {options}"))?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(errno) = unmount(&self.path, UnmountFlags::empty()) {
            eprintln!("unmount {}: {errno}", self.path.display());
        }
    }
}
