//! A directory and its names still to be visited, in blocks whose `stat`s are asked for ahead.

use std::iter;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::fs::FileType;

use super::dir::Dir;
use super::error::DiffError;
use super::listing::{self, Listing, Origin, Todo};
use super::prefetch::{Prefetched, Prefetcher};

/// A directory of the merged tree during the walk.
pub(super) struct Frame {
    pub(super) dir: Dir,
    block: std::vec::IntoIter<Todo>,
    /// The blocks behind, the next of them last.
    later: Vec<Prefetched<Vec<Todo>>>,
}

impl Frame {
    pub(super) fn new(dir: Dir, names: Vec<Todo>, prefetcher: &mut Prefetcher) -> Self {
        prefetcher.count_names(names.len());
        let mut frame = Self { dir, block: Vec::new().into_iter(), later: Vec::new() };
        let mut names = names.into_iter();
        let blocks = iter::from_fn(|| Some(names.by_ref().take(listing::BLOCK).collect()));
        let blocks: Vec<Vec<Todo>> = blocks.take_while(|block: &Vec<Todo>| !block.is_empty()).collect();
        frame.later = blocks.into_iter().rev().map(|block| frame.prefetch_stats(block, prefetcher)).collect();
        frame
    }

    fn prefetch_stats(&self, mut block: Vec<Todo>, prefetcher: &Prefetcher) -> Prefetched<Vec<Todo>> {
        let upper = self.dir.upper.shared().map(Arc::downgrade);
        prefetcher.submit(move || {
            if let Some(upper) = upper.and_then(|upper| upper.upgrade()) {
                listing::ask_stats(upper.as_fd(), &mut block);
            }
            block
        })
    }

    pub(super) fn next(&mut self, prefetcher: &Prefetcher) -> Option<Todo> {
        if self.block.len() == 0 {
            let mut block = self.later.pop()?.take();
            block.iter_mut().rev().for_each(|todo| todo.listing = self.prefetch_listing(todo, prefetcher));
            self.block = block.into_iter();
        }
        self.block.next()
    }

    fn prefetch_listing(
        &self,
        todo: &Todo,
        prefetcher: &Prefetcher,
    ) -> Option<Prefetched<Option<Result<Listing, DiffError>>>> {
        let Origin::Upper(listing::UpperName { kind: FileType::Directory, .. }) = todo.origin else { return None };
        let upper = Arc::downgrade(self.dir.upper.shared()?);
        let (name, path) = (todo.name.clone(), self.dir.host_path.join(&todo.name));
        Some(prefetcher.submit(move || upper.upgrade().map(|upper| Listing::read(upper.as_fd(), &name, &path))))
    }
}
