//! Overlay mounts over fresh layers on a given filesystem.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use layerfs::{Layers, XattrNamespace};
use tempfile::TempDir;

use super::run;

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
            upperdir: self.upper(name),
            lowerdirs: (0..self.lowers).map(|index| self.lower(index)).collect(),
            data_only_lowerdirs: (0..self.data_only).map(|index| self.data_layer(index)).collect(),
            workdir: Some(self.folder.path().join(name).join("work")),
            xattr_ns: if userxattr { XattrNamespace::User } else { XattrNamespace::Trusted },
        })
    }

    /// Mounts with the upperdir `name`.
    pub(crate) fn mount(&self, name: &str) -> Result<Mounted> {
        let layers = self.layers(name)?;
        let join = |dirs: &[PathBuf], between: &str| {
            dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(between)
        };
        let mut options = format!("lowerdir={}", join(&layers.lowerdirs, ":"));
        for dir in &layers.data_only_lowerdirs {
            options += &format!("::{}", dir.display());
        }
        options += &format!(",upperdir={}", layers.upperdir.display());
        options += &format!(",workdir={}", layers.workdir.as_deref().unwrap_or(Path::new("")).display());
        if !self.options.is_empty() {
            options += &format!(",{}", self.options);
        }
        let merged = layers.merged.context("merged")?;
        Mounted::new(merged, &options)
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
        run("mount", ["-t", "overlay", "overlay", "-o", options, &path.display().to_string()])?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = run("umount", [&self.path]) {
            eprintln!("{error:#}");
        }
    }
}
