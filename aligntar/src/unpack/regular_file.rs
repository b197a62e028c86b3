//! A regular file: its data is read or shared, and a thread makes and fills the file.

use rustix::io::Errno;

use super::context::Context;
use super::error::UnpackError;
use super::fill::{self, Data};
use super::job::Job;
use super::new_file::{EmptyFile, NewFile, NotMade};
use super::open_dirs::OpenDir;
use super::transport::Transport;
use super::unpacker::Unpacker;
use crate::entry::Entry;
use crate::safe_path::SafePath;
use crate::source::Source;

impl Unpacker<'_> {
    pub(super) fn regular<S: Source + ?Sized>(
        &mut self,
        at: Context<'_>,
        path: &SafePath,
        folder: &OpenDir,
        entry: &Entry,
        source: &mut S,
    ) -> Result<(), UnpackError> {
        let attributes = self.attributes(at, &entry.member)?;
        let data = self.data(at, entry, source)?;
        let new = NewFile {
            archived: at.path.to_vec(),
            offset: at.offset,
            path: path.clone(),
            parent: folder.descriptor.clone(),
            created_owner: folder.created_owner.clone(),
            size: entry.member.size(),
            attributes,
        };
        match data {
            Some(data) => self.submit(Job::File { new, data }),
            None => {
                let made = self.make_anyway(new)?;
                let filled = made.complete_from(entry, source, &mut self.buffer, self.policy.imperfect)?;
                self.add(filled);
            }
        }
        Ok(())
    }

    /// The data, or where another thread finds it; `None` if it must be read from the source piece by piece.
    fn data<S: Source + ?Sized>(
        &mut self,
        at: Context<'_>,
        entry: &Entry,
        source: &mut S,
    ) -> Result<Option<Data>, UnpackError> {
        let way = Transport::of(entry, source, self.policy.fs_block, self.policy.clone_policy)
            .map_err(|why| at.refused(why))?;
        let archive = source.file();
        Ok(match (way, archive) {
            (Transport::Memory, _) => {
                let mut bytes = self.spare.pop().unwrap_or_default();
                fill::read(source, &mut bytes, entry.data_offset, entry.stored_len as usize)
                    .map_err(|error| at.data_error(error))?;
                Some(Data::Memory(bytes))
            }
            (Transport::Spans, Some(archive)) => {
                let archive = self.archive.share(archive).map_err(|error| at.unreadable(entry, error))?;
                Some(Data::Spans { archive, spans: entry.data_spans().collect() })
            }
            _ => None,
        })
    }

    /// Makes a file, and removes an empty directory of that name if need be.
    pub(super) fn make_anyway(&mut self, new: NewFile) -> Result<EmptyFile, UnpackError> {
        let new = match new.make() {
            Ok(made) => return Ok(made),
            Err(NotMade::Failed(error)) => return Err(error),
            Err(NotMade::Occupied(new)) => new,
        };
        self.remove(new.dirent(), &new.path)?;
        new.make().map_err(|not_made| match not_made {
            NotMade::Failed(error) => error,
            // Someone else makes directories there.
            NotMade::Occupied(new) => new.at().failed("create")(Errno::EXIST),
        })
    }
}
