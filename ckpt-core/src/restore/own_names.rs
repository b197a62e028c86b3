//! Puts a new container's ID into CRIU's images, in the place of the ID that their container had.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use crate::archive::{CGROUP_IMAGE, SHORT_ID, limits};

/// How names of the images of UTS namespaces begin.
const UTS_IMAGES: &[u8] = b"utsns-";

/// An image of a UTS namespace has two names of at most 64 bytes, see uname(2).
const UTS_IMAGE_BYTES: u64 = 1024;

/// In the image of the cgroups; there is none of it where nothing of the cgroups was dumped.
///
/// On cgroup v2 runc does not tell CRIU the new cgroup, so a clone would join the original's.
pub(super) fn in_cgroups(image_dir: &Path, old: &str, new: &str) -> io::Result<()> {
    let Some(file) = open_image(&image_dir.join(CGROUP_IMAGE))? else { return Ok(()) };
    limits::cgroup_image(file.metadata()?.len()).map_err(io::Error::other)?;
    replace(&file, old.as_bytes(), new.as_bytes())
}

/// In the images of UTS namespaces: the host name, if it was the one that podman makes of the ID.
pub(super) fn in_host_names(image_dir: &Path, old: &str, new: &str) -> io::Result<()> {
    let (Some(old), Some(new)) = (nodename(old), nodename(new)) else { return Ok(()) };
    for entry in fs::read_dir(image_dir)? {
        let entry = entry?;
        if entry.file_name().as_bytes().starts_with(UTS_IMAGES)
            && let Some(file) = open_image(&entry.path())?
            && file.metadata()?.len() <= UTS_IMAGE_BYTES
        {
            replace(&file, &old, &new)?;
        }
    }
    Ok(())
}

/// The field `nodename` (1) with the beginning of an ID (CRIU, images/utsns.proto).
fn nodename(id: &str) -> Option<Vec<u8>> {
    let name = id.get(..SHORT_ID)?.as_bytes();
    Some([&[0x0a, SHORT_ID as u8], name].concat())
}

fn open_image(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match open(path, flags, Mode::empty()) {
        Err(Errno::NOENT) => Ok(None),
        opened => Ok(Some(opened?.into())),
    }
}

/// What is replaced has one length: every length in the protobuf stays right.
fn replace(mut file: &File, old: &[u8], new: &[u8]) -> io::Result<()> {
    if old.len() != new.len() || old.is_empty() {
        return Ok(());
    }
    let mut image = Vec::new();
    file.read_to_end(&mut image)?;
    let mut at = 0;
    while at + old.len() <= image.len() {
        if image[at..].starts_with(old) {
            image[at..at + new.len()].copy_from_slice(new);
            at += new.len();
        } else {
            at += 1;
        }
    }
    file.write_all_at(&image, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(name: &str, image: &str, rename: fn(&Path, &str, &str) -> io::Result<()>, ids: [&str; 2]) -> String {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), image).unwrap();
        rename(folder.path(), ids[0], ids[1]).unwrap();
        fs::read_to_string(folder.path().join(name)).unwrap()
    }

    #[test]
    fn cgroups_of_the_old_id_are_the_new_ones() {
        let (old, new) = ("a".repeat(64), "b".repeat(64));
        let image = |id: &str| format!("\x08/libpod-{id}\x12x{id}{}", "a".repeat(63));
        assert_eq!(replaced(CGROUP_IMAGE, &image(&old), in_cgroups, [&old, &new]), image(&new));
        assert_eq!(replaced(CGROUP_IMAGE, "libpod-abc", in_cgroups, ["abc", "abcd"]), "libpod-abc");
        in_cgroups(tempfile::tempdir().unwrap().path(), &old, &new).unwrap();
    }

    #[test]
    fn a_host_name_that_was_chosen_stays() {
        let (old, new) = ("a".repeat(64), "b".repeat(64));
        let image = |name: &str| format!("CRIU\x0a{}{name}\x12\x06(none)", char::from(name.len() as u8));
        for (name, expected) in [(&old[..12], &new[..12]), ("chosen", "chosen"), (&old[..13], &old[..13])] {
            assert_eq!(replaced("utsns-11.img", &image(name), in_host_names, [&old, &new]), image(expected));
        }
        assert_eq!(replaced("other.img", &image(&old[..12]), in_host_names, [&old, &new]), image(&old[..12]));
    }
}
