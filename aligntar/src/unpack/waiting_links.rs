//! Hard links that wait for their targets, which may come later in the archive.

use std::collections::{BTreeMap, HashMap};

use super::context::Context;
use super::error::UnpackError;
use super::job::NewLink;
use crate::safe_path::SafePath;

/// A link that waits. It keeps no directory open: there may be many of them.
pub(super) struct WaitingLink {
    /// As the archive spells it.
    pub(super) archived: Vec<u8>,
    pub(super) offset: u64,
    pub(super) path: SafePath,
    pub(super) target: SafePath,
    /// Reported if the target never comes.
    pub(super) error: UnpackError,
}

impl WaitingLink {
    pub(super) fn at(&self) -> Context<'_> {
        Context { path: &self.archived, offset: self.offset }
    }

    /// What it takes, the map's half-empty table included.
    fn bytes(&self) -> usize {
        let paths = self.archived.len() + self.path.as_bytes().len() + self.target.as_bytes().len();
        2 * size_of::<(SafePath, WaitingLink)>() + paths
    }
}

/// By path, since another member may take the path.
pub(super) struct WaitingLinks {
    links: HashMap<SafePath, WaitingLink>,
    bytes: usize,
    limit: usize,
}

impl WaitingLinks {
    /// Takes at most `limit` bytes of memory.
    pub(super) fn new(limit: usize) -> Self {
        WaitingLinks { links: HashMap::new(), bytes: 0, limit }
    }

    /// Keeps `link`, whose target is missing as `error` says. Returns `error` if there is no room.
    pub(super) fn add(&mut self, link: NewLink, error: UnpackError) -> Result<(), UnpackError> {
        let NewLink { archived, offset, path, target, .. } = link;
        self.remove(&path);
        let later = WaitingLink { archived, offset, path, target, error };
        if self.bytes + later.bytes() > self.limit {
            return Err(later.error);
        }
        self.bytes += later.bytes();
        self.links.insert(later.path.clone(), later);
        Ok(())
    }

    /// Forgets the link that was to become `path`.
    pub(super) fn remove(&mut self, path: &SafePath) {
        if let Some(later) = self.links.remove(path) {
            self.bytes -= later.bytes();
        }
    }

    /// All of them, by their targets, and in the order of the archive.
    pub(super) fn take(&mut self) -> BTreeMap<SafePath, Vec<WaitingLink>> {
        let mut links: Vec<_> = std::mem::take(&mut self.links).into_values().collect();
        links.sort_by_key(|later| later.offset);
        let mut by_target = BTreeMap::<_, Vec<_>>::new();
        for later in links {
            by_target.entry(later.target.clone()).or_default().push(later);
        }
        by_target
    }
}
