//! The target of an archive, and around it a tree that must stay as it is.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use aligntar::{
    FileSource, Limits, PlainParents, ReadError, Reader, Resolver, ShownName, Source, StreamSource, UnpackError,
    UnpackObserver, UnpackOptions, Unpacker,
};
use tempfile::TempDir;

use crate::describe::describe;

/// Contents of the file that archives try to reach.
pub(crate) const SECRET: &[u8] = b"nobody may read or write this";

pub(crate) struct World(TempDir);

impl World {
    pub(crate) fn new(folder: &Path) -> Self {
        let world = World(tempfile::tempdir_in(folder).unwrap());
        fs::create_dir_all(world.path("outside/folder")).unwrap();
        fs::write(world.path("outside/secret"), SECRET).unwrap();
        symlink("secret", world.path("outside/link")).unwrap();
        fs::create_dir(world.target()).unwrap();
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn target(&self) -> PathBuf {
        self.path("target")
    }

    /// Everything but the target, with contents, modes, links and times; the folder above both as well.
    pub(crate) fn outside(&self) -> BTreeMap<PathBuf, String> {
        let mut outside = describe(&self.path("outside"));
        let above = self.0.path().metadata().unwrap();
        outside.insert("above".into(), format!("{:o} {}.{}", above.mode(), above.mtime(), above.mtime_nsec()));
        outside
    }

    /// What is in the target: `a = content`, `d/`, `l -> target`, `p |`, `c 1:2`, by path; odd modes behind it.
    pub(crate) fn list(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut directories = vec![self.target()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let metadata = path.symlink_metadata().unwrap();
                lines.push(line(path.strip_prefix(self.target()).unwrap(), &path, &metadata));
                if metadata.is_dir() {
                    directories.push(path);
                }
            }
        }
        lines.sort();
        lines
    }
}

fn line(name: &Path, path: &Path, metadata: &Metadata) -> String {
    let mode = metadata.mode() & 0o7777;
    let usual = if metadata.is_dir() { 0o755 } else { 0o644 };
    let mode = if metadata.is_symlink() || mode == usual { String::new() } else { format!(" ({mode:o})") };
    format!("{}{}{mode}", name.to_string_lossy(), what(path, metadata))
}

fn what(path: &Path, metadata: &Metadata) -> String {
    let kind = metadata.file_type();
    if kind.is_dir() {
        "/".into()
    } else if kind.is_symlink() {
        format!(" -> {}", fs::read_link(path).unwrap().display())
    } else if kind.is_fifo() {
        " |".into()
    } else if kind.is_file() && metadata.len() > 100 {
        format!(" of {} bytes", metadata.len())
    } else if kind.is_file() {
        format!(" = {}", String::from_utf8_lossy(&fs::read(path).unwrap()))
    } else {
        let (letter, device) = (if kind.is_char_device() { 'c' } else { 'b' }, metadata.rdev());
        format!(" {letter} {}:{}", rustix::fs::major(device), rustix::fs::minor(device))
    }
}

/// One way to unpack; all of them must agree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) resolver: Resolver,
    pub(crate) threads: usize,
    pub(crate) is_stream: bool,
    /// Past members that fail.
    pub(crate) goes_on: bool,
}

impl Way {
    pub(crate) fn all() -> impl Iterator<Item = Way> {
        let resolvers = [Resolver::Openat2, Resolver::Components];
        let ways = move |threads| {
            let way = move |resolver, is_stream, goes_on| Way { resolver, threads, is_stream, goes_on };
            resolvers
                .map(|resolver| [false, true].map(|is_stream| [false, true].map(|on| way(resolver, is_stream, on))))
        };
        [1, 2].into_iter().flat_map(ways).flatten().flatten()
    }

    /// Unpacks `archive` as far as it goes; the errors are short names of what happened, in the order of the archive. The
    /// last is that of the archive itself, where there is one.
    pub(crate) fn unpack(self, archive: &[u8], world: &World, options: UnpackOptions<'_>) -> Vec<String> {
        let threads = NonZeroUsize::new(self.threads).unwrap();
        let options = UnpackOptions { resolver: self.resolver, threads, ..options };
        let root = File::open(world.target()).unwrap();
        if self.is_stream {
            return self.unpack_all(Reader::new(StreamSource::new(archive), Limits::default()), &root, options);
        }
        let file = tempfile::tempfile_in(world.path("target").parent().unwrap().parent().unwrap()).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, archive, 0).unwrap();
        self.unpack_all(Reader::new(FileSource::new(&file).unwrap(), Limits::default()), &root, options)
    }

    fn unpack_all<S: Source>(self, reader: Reader<S>, root: &File, options: UnpackOptions<'_>) -> Vec<String> {
        if !self.goes_on {
            return unpack(reader, root, options).err().into_iter().collect();
        }
        let mut heard = Heard::default();
        let read = unpack_on(reader, root, options, &mut heard);
        heard.0.sort();
        heard.0.into_iter().map(|(_, error)| error).chain(read.err()).collect()
    }
}

/// Errors by the offsets of their members.
#[derive(Default)]
struct Heard(Vec<(u64, String)>);

impl UnpackObserver for Heard {
    fn failed(&mut self, error: UnpackError) -> Result<(), UnpackError> {
        self.0.push((error.offset().unwrap(), unpack_error(&error)));
        Ok(())
    }

    fn followed(&mut self, _link: ShownName, _target: ShownName) {}
}

fn unpack<S: Source>(mut reader: Reader<S>, root: &File, options: UnpackOptions<'_>) -> Result<(), String> {
    let mut parents = PlainParents;
    let mut unpacker = Unpacker::new(root.as_fd(), options, &mut parents).unwrap();
    while let Some(entry) = reader.next_entry().map_err(|error| read_error(&error))? {
        unpacker.unpack(&entry, reader.source_mut()).map_err(|error| unpack_error(&error))?;
    }
    unpacker.finish().map(drop).map_err(|error| unpack_error(&error))
}

/// Whatever comes of the archive, the directories are finished.
fn unpack_on<S: Source>(
    mut reader: Reader<S>,
    root: &File,
    options: UnpackOptions<'_>,
    heard: &mut Heard,
) -> Result<(), String> {
    let mut parents = PlainParents;
    let mut unpacker = Unpacker::with_observer(root.as_fd(), options, &mut parents, heard).unwrap();
    let read = loop {
        match reader.next_entry() {
            Ok(Some(entry)) => drop(unpacker.unpack(&entry, reader.source_mut()).unwrap()),
            Ok(None) => break Ok(()),
            Err(error) => break Err(read_error(&error)),
        }
    };
    unpacker.finish().unwrap();
    read
}

/// `Header`, `Pax`, …: the variant alone.
fn read_error(error: &ReadError) -> String {
    let text = format!("{error:?}");
    let end = text.find([' ', '(', '{']).unwrap_or(text.len());
    format!("read: {}", &text[..end])
}

fn unpack_error(error: &UnpackError) -> String {
    match error {
        UnpackError::Refused { why, .. } => format!("{why:?}"),
        UnpackError::Call { call, source, .. } => format!("{call}: {:?}", io::Error::from(*source).kind()),
        UnpackError::Attribute { source, .. } => format!("setxattr: {:?}", io::Error::from(*source).kind()),
        UnpackError::Data { source, .. } => format!("data: {source}"),
        other => format!("{other:?}"),
    }
}
