//! Descriptors that somebody with fewer rights has opened, for a service that has more: looked at before they are used.
//!
//! What counts is what the caller could do with the descriptor. So it is used itself, and only one that the caller may read
//! is opened again.

use std::fs::{File, Metadata};
use std::io::{self, Seek};
use std::os::unix::fs::{FileExt, FileTypeExt};

use rustix::fs::{OFlags, fcntl_getfl, fstatfs};

/// Of files in memory, among them those of memfd_create(2), whose file system has no size: `TMPFS_MAGIC`, linux/magic.h.
const TMPFS: i64 = 0x0102_1994;

/// Why a descriptor is not used.
#[derive(Debug, thiserror::Error)]
pub enum LentError {
    /// A folder, a device, a socket.
    #[error("the descriptor is that of {kind}, and has to be that of a file or a pipe")]
    Kind {
        /// In a word.
        kind: &'static str,
    },
    /// It is open for something else.
    #[error("the descriptor has to be open for {wanted}")]
    Access {
        /// What for.
        wanted: &'static str,
    },
    /// Something would be lost.
    #[error("the descriptor has to be that of an empty file, and this one has {bytes} bytes")]
    NotEmpty {
        /// Its length.
        bytes: u64,
    },
    /// A file of /proc, /sys and others, in which words are orders.
    #[error("the descriptor is that of a file which is on no disk")]
    NoDisk,
    /// The kernel says no, for a seal among others.
    #[error("{call} the file")]
    Call {
        /// What was tried.
        call: &'static str,
        /// Its answer.
        #[source]
        source: io::Error,
    },
}

/// What an archive is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An empty file.
    File,
    /// A pipe, with or without a name.
    Pipe,
}

fn call(call: &'static str) -> impl FnOnce(io::Error) -> LentError {
    move |source| LentError::Call { call, source }
}

/// Passes an empty file that can be read and written, and a pipe that can be written. A byte is written to the file, for a
/// trial, and taken away again.
///
/// # Errors
/// [`LentError`].
pub fn check_target(mut file: &File) -> Result<Target, LentError> {
    let (metadata, flags) = look_at(file)?;
    if metadata.file_type().is_fifo() {
        let writes = matches!(access(flags), OFlags::WRONLY | OFlags::RDWR);
        return if writes { Ok(Target::Pipe) } else { Err(LentError::Access { wanted: "writing" }) };
    }
    if access(flags) != OFlags::RDWR || flags.contains(OFlags::APPEND) {
        return Err(LentError::Access { wanted: "reading and writing, and not for appending" });
    }
    if metadata.len() > 0 {
        return Err(LentError::NotEmpty { bytes: metadata.len() });
    }
    file.write_all_at(&[0], 0).map_err(call("write"))?;
    file.set_len(0).map_err(call("truncate"))?;
    file.rewind().map_err(call("rewind"))?;
    Ok(Target::File)
}

/// Passes a file or a pipe that can be read.
///
/// # Errors
/// [`LentError`].
pub fn check_source(file: &File) -> Result<(), LentError> {
    let (_, flags) = look_at(file)?;
    match access(flags) {
        OFlags::WRONLY => Err(LentError::Access { wanted: "reading" }),
        _ => Ok(()),
    }
}

fn look_at(file: &File) -> Result<(Metadata, OFlags), LentError> {
    let flags = fcntl_getfl(file).map_err(|errno| call("look at")(errno.into()))?;
    // It gives no right to the file at all.
    if flags.contains(OFlags::PATH) {
        return Err(LentError::Access { wanted: "more than its path" });
    }
    let metadata = file.metadata().map_err(call("stat"))?;
    if !metadata.file_type().is_fifo() && !metadata.is_file() {
        return Err(LentError::Kind { kind: kind(&metadata) });
    }
    let system = fstatfs(file).map_err(|errno| call("look at the file system of")(errno.into()))?;
    if metadata.is_file() && system.f_blocks == 0 && system.f_type != TMPFS {
        return Err(LentError::NoDisk);
    }
    Ok((metadata, flags))
}

fn access(flags: OFlags) -> OFlags {
    flags & OFlags::ACCMODE
}

fn kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    match () {
        () if kind.is_dir() => "a folder",
        () if kind.is_socket() => "a socket",
        () if kind.is_char_device() || kind.is_block_device() => "a device",
        () => "something else",
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::OpenOptionsExt;
    use std::os::unix::net::UnixStream;

    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

    use super::*;

    fn opened(path: &str, flags: OFlags) -> File {
        rustix::fs::open(path, flags, rustix::fs::Mode::empty()).unwrap().into()
    }

    #[test]
    fn an_archive_goes_to_empty_files_and_pipes() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(check_target(&file).unwrap(), Target::File);
        assert_eq!(file.metadata().unwrap().len(), 0);
        let memory = File::from(memfd_create("x", MemfdFlags::ALLOW_SEALING).unwrap());
        assert_eq!(check_target(&memory).unwrap(), Target::File);
        let (reader, writer) = io::pipe().unwrap();
        assert_eq!(check_target(&OwnedFd::from(writer).into()).unwrap(), Target::Pipe);
        assert!(matches!(check_target(&OwnedFd::from(reader).into()), Err(LentError::Access { .. })));
    }

    #[test]
    fn what_would_do_harm_is_no_target() {
        let named = tempfile::NamedTempFile::new().unwrap();
        let path = named.path().to_str().unwrap();
        for flags in [OFlags::RDONLY, OFlags::WRONLY, OFlags::RDWR | OFlags::APPEND, OFlags::PATH] {
            let refused = check_target(&opened(path, flags));
            assert!(matches!(refused, Err(LentError::Access { .. })), "{flags:?}: {refused:?}");
        }
        std::fs::write(path, "words").unwrap();
        assert!(matches!(check_target(&opened(path, OFlags::RDWR)), Err(LentError::NotEmpty { bytes: 5 })));
        assert_eq!(std::fs::read_to_string(path).unwrap(), "words");
        let sealed = File::from(memfd_create("x", MemfdFlags::ALLOW_SEALING).unwrap());
        for seals in [SealFlags::GROW, SealFlags::WRITE] {
            fcntl_add_seals(&sealed, seals).unwrap();
            assert!(matches!(check_target(&sealed), Err(LentError::Call { call: "write", .. })));
        }
        let of_proc = File::options().read(true).write(true).open("/proc/self/oom_score_adj").unwrap();
        assert!(matches!(check_target(&of_proc), Err(LentError::NoDisk)));
    }

    #[test]
    fn only_what_the_caller_may_read_is_read() {
        let named = tempfile::NamedTempFile::new().unwrap();
        let path = named.path().to_str().unwrap();
        check_source(&opened(path, OFlags::RDONLY)).unwrap();
        for flags in [OFlags::WRONLY, OFlags::PATH] {
            assert!(matches!(check_source(&opened(path, flags)), Err(LentError::Access { .. })), "{flags:?}");
        }
        let refused = [
            File::open("/").unwrap(),
            File::open("/dev/zero").unwrap(),
            OwnedFd::from(UnixStream::pair().unwrap().0).into(),
            File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open("/dev/null").unwrap(),
        ];
        for file in refused {
            let refused = check_source(&file);
            assert!(matches!(refused, Err(LentError::Kind { .. })), "{refused:?}");
        }
        assert!(matches!(check_source(&File::open("/proc/self/status").unwrap()), Err(LentError::NoDisk)));
    }
}
