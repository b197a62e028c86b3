//! The files on which CRIU mounts secrets.
//!
//! podman mounts a folder at /run/secrets, which is new and empty for a new container, and each secret on a file in it.
//! At a start the runtime makes that file, as runc does at a restore; under crun CRIU counts on it. podman makes the
//! folder, and only where there is none yet: the files cannot be made before that.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Makes `files`, by their plain paths, in `folder`, which becomes /run/secrets; podman makes none without secrets.
pub(super) fn make(folder: &Path, files: &[String]) -> io::Result<()> {
    match folder.is_dir() {
        true => files.iter().try_for_each(|file| make_file(&folder.join(file))),
        false => Ok(()),
    }
}

fn make_file(path: &Path) -> io::Result<()> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    match File::create_new(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_made_where_podman_has_made_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["there", "key", "a/b"].map(str::to_owned);
        let none = folder.path().join("none");
        make(&none, &files).unwrap();
        assert!(!none.exists());
        fs::write(folder.path().join("there"), "kept").unwrap();
        make(folder.path(), &files).unwrap();
        assert!(files.iter().all(|file| folder.path().join(file).is_file()));
        assert_eq!(fs::read(folder.path().join("there")).unwrap(), b"kept");
    }
}
