//! The memory that follows a container which runs already: its page server, from before CRIU begins, and the pages that
//! CRIU reads itself.

use std::path::Path;

use aligntar::{ClonePolicy, Transferred};

use super::error::RunError;
use super::late_pages::LatePages;
use crate::archive::CheckpointArchive;
use crate::criu::arrival;
use crate::criu::page_server::{PageServer, PageServerError, Version};
use crate::host::interrupt::is_interrupted;
use crate::host::waiting::Waiting;

/// Nothing, where all memory comes before the container runs.
#[derive(Debug, Default)]
pub(super) struct LaterMemory {
    /// In a hurry only when this is let go, as podman still works until then.
    server: Option<PageServer>,
    pages: LatePages,
}

impl LaterMemory {
    /// Of which CRIU reads these `pages` itself.
    pub(super) fn of(pages: LatePages) -> Self {
        LaterMemory { server: None, pages }
    }

    /// Begins to serve what is in the `archive` of this `version` to the container of this ID. CRIU works in its bundle,
    /// where its log is.
    pub(super) fn begin(
        &mut self,
        archive: &CheckpointArchive,
        version: &Version,
        (id, bundle): (&str, &Path),
        waiting: &mut Waiting<'_>,
    ) -> Result<(), RunError> {
        let status = arrival::begin(id, waiting).map_err(|error| match is_interrupted(&error) {
            true => RunError::Interrupted,
            false => RunError::NoteMemory(error),
        })?;
        self.server = Some(PageServer::start(archive, version, bundle, &status)?);
        Ok(())
    }

    /// Places what CRIU reads itself, once it has come to the server: one that has not would read holes.
    pub(super) fn place_pages(
        &mut self,
        archive: &CheckpointArchive,
        clone_policy: ClonePolicy,
    ) -> Result<Transferred, RunError> {
        match &self.server {
            Some(server) if !self.pages.is_empty() => {
                server.wait_for_criu()?;
                self.pages.place(archive.file(), clone_policy).map_err(RunError::Pages)
            }
            _ => Ok(Transferred::default()),
        }
    }

    /// Waits until all memory that CRIU restored is in the server's hands; gives whether CRIU has left any to it.
    pub(super) fn wait_until_held(&mut self) -> Result<bool, PageServerError> {
        let held = self.server.as_mut().map_or(Ok(true), PageServer::wait_until_held)?;
        if !held {
            self.let_go();
        }
        Ok(held)
    }

    /// Gives whether it comes, or may still.
    pub(super) fn check(&self) -> Result<bool, PageServerError> {
        self.server.as_ref().map_or(Ok(true), PageServer::check)
    }

    /// Leaves the server alone. It ends if CRIU has not come to it.
    pub(super) fn let_go(&mut self) {
        drop(self.server.take());
    }
}
