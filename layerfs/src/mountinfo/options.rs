//! The overlay's own mount options as the kernel prints them (`ovl_show_options` in `fs/overlayfs/params.c`).
//!
//! The kernel prints `lowerdir=` as it was given: colons, commas and backslashes in paths still have the backslash that
//! the mounter wrote before them (`ovl_parse_param_split_lowerdirs`). `lowerdir+=` and `datadir+=` hold one path each,
//! without backslashes. A comma within a value is printed as `\054`. So split at commas first, undo the octal escapes
//! second, and the backslashes last.

use std::path::{Path, PathBuf};

use super::error::MountsError;
use super::escape::{path_from, unescape_octal};
use crate::layers::Layers;
use crate::overlay::XattrNamespace;

/// The options that name layers.
#[derive(Debug, Default)]
pub(super) struct OverlayOptions {
    upperdir: Option<PathBuf>,
    workdir: Option<PathBuf>,
    lowerdirs: Vec<PathBuf>,
    data_only: Vec<PathBuf>,
    userxattr: bool,
}

impl OverlayOptions {
    pub(super) fn parse(options: &[u8]) -> Self {
        let mut parsed = Self::default();
        for option in options.split(|byte| *byte == b',') {
            let (key, value) = match option.iter().position(|byte| *byte == b'=') {
                Some(at) => (&option[..at], unescape_octal(&option[at + 1..])),
                None => (option, Vec::new()),
            };
            parsed.set(key, value);
        }
        parsed
    }

    fn set(&mut self, key: &[u8], value: Vec<u8>) {
        match key {
            b"upperdir" => self.upperdir = Some(path_from(unescape_backslash(&value))),
            b"workdir" => self.workdir = Some(path_from(unescape_backslash(&value))),
            b"lowerdir" => self.set_lowerdirs(&value),
            b"lowerdir+" => self.lowerdirs.push(path_from(value)),
            b"datadir+" => self.data_only.push(path_from(value)),
            b"userxattr" => self.userxattr = true,
            _ => {}
        }
    }

    fn set_lowerdirs(&mut self, value: &[u8]) {
        let mut data_only = false;
        for piece in split_at_colons(value) {
            // An empty piece is the second colon of "::", which begins the data-only layers.
            if piece.is_empty() {
                data_only = true;
                continue;
            }
            let list = if data_only { &mut self.data_only } else { &mut self.lowerdirs };
            list.push(path_from(unescape_backslash(piece)));
        }
    }

    /// The layers of the overlay whose `part` is mounted on `merged`.
    pub(super) fn into_layers(
        mut self,
        merged: PathBuf,
        part: PathBuf,
        is_dir: &dyn Fn(&Path) -> bool,
    ) -> Result<Layers, MountsError> {
        self.make_absolute(&merged, is_dir)?;
        let upperdir = self.upperdir.ok_or_else(|| MountsError::NoUpperdir { path: merged.clone() })?;
        Ok(Layers {
            merged: Some(merged),
            part,
            data_only_lowerdirs: self.data_only,
            workdir: self.workdir,
            xattr_ns: if self.userxattr { XattrNamespace::User } else { XattrNamespace::Trusted },
            ..Layers::new(upperdir, self.lowerdirs)
        })
    }

    /// A relative layer starts at the mounter's working directory, which nobody recorded. containers/storage mounts
    /// from a folder above the mount point. So this takes the one folder above it, or above an absolute layer, in which
    /// every relative layer is a directory.
    fn make_absolute(&mut self, merged: &Path, is_dir: &dyn Fn(&Path) -> bool) -> Result<(), MountsError> {
        let Some(option) = self.paths().find(|path| path.is_relative()).cloned() else { return Ok(()) };
        let mut fitting = self.folders_above(merged);
        fitting.retain(|folder| self.paths().filter(|path| path.is_relative()).all(|path| is_dir(&folder.join(path))));
        let [folder] = &fitting[..] else {
            return Err(MountsError::RelativeLayer { path: merged.into(), option });
        };
        // Joining an absolute path gives that path.
        self.paths_mut().for_each(|path| *path = folder.join(&*path));
        Ok(())
    }

    fn folders_above(&self, merged: &Path) -> Vec<PathBuf> {
        let absolute = self.paths().map(PathBuf::as_path).filter(|path| path.is_absolute());
        let mut folders: Vec<_> =
            absolute.chain([merged]).flat_map(|path| path.ancestors().skip(1)).map(Path::to_owned).collect();
        folders.sort();
        folders.dedup();
        folders
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.upperdir.iter().chain(&self.workdir).chain(&self.lowerdirs).chain(&self.data_only)
    }

    fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let writable = self.upperdir.iter_mut().chain(&mut self.workdir);
        writable.chain(&mut self.lowerdirs).chain(&mut self.data_only)
    }
}

/// Pieces between colons that no backslash protects, still escaped.
fn split_at_colons(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut escaped = false;
    value.split(move |byte| {
        let separates = *byte == b':' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        separates
    })
}

/// A backslash protects the byte behind it (`ovl_unescape`).
fn unescape_backslash(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            _ => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(options: &[u8], dirs: &[&str]) -> Result<Layers, MountsError> {
        let is_dir = |path: &Path| dirs.iter().any(|dir| Path::new(dir) == path);
        OverlayOptions::parse(options).into_layers("/s/overlay/abc/merged".into(), PathBuf::new(), &is_dir)
    }

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn lowerdirs_are_split_and_unescaped() -> anyhow::Result<()> {
        // What the kernel prints for lowerdir=/a\:b:/c\\d:/e\,f
        let found = layers(br"rw,lowerdir=/a\134:b:/c\134\134d:/e\134\054f,upperdir=/u\134:v,workdir=/w", &[])?;
        assert_eq!(found.lowerdirs, paths(&["/a:b", r"/c\d", "/e,f"]));
        assert_eq!(found.upperdir, Path::new("/u:v"));
        Ok(())
    }

    #[test]
    fn one_option_per_layer_is_read_without_escapes() -> anyhow::Result<()> {
        let options = br"rw,lowerdir+=/a:b,lowerdir+=/c\134d,datadir+=/data,upperdir=/u,workdir=/w";
        let found = layers(options, &[])?;
        assert_eq!(found.lowerdirs, paths(&["/a:b", r"/c\d"]));
        assert_eq!(found.data_only_lowerdirs, paths(&["/data"]));
        Ok(())
    }

    #[test]
    fn layers_behind_two_colons_only_lend_data() -> anyhow::Result<()> {
        let found = layers(b"rw,lowerdir=/a:/b::/d1::/d2,upperdir=/u,workdir=/w", &[])?;
        assert_eq!(found.lowerdirs, paths(&["/a", "/b"]));
        assert_eq!(found.data_only_lowerdirs, paths(&["/d1", "/d2"]));
        Ok(())
    }

    #[test]
    fn relative_layers_belong_to_the_one_folder_where_they_exist() -> anyhow::Result<()> {
        let options = b"rw,lowerdir=l/X:/abs,upperdir=abc/diff,workdir=abc/work";
        let dirs = ["/s/overlay/l/X", "/s/overlay/abc/diff", "/s/overlay/abc/work"];
        let found = layers(options, &dirs)?;
        assert_eq!(found.lowerdirs, paths(&["/s/overlay/l/X", "/abs"]));
        assert_eq!(found.upperdir, Path::new("/s/overlay/abc/diff"));
        assert!(matches!(
            layers(options, &dirs[1..]),
            Err(MountsError::RelativeLayer { option, .. }) if option == Path::new("abc/diff")
        ));
        Ok(())
    }
}
