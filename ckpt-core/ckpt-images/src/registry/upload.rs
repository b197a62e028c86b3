//! A blob on its way to a registry: distribution specification, "Pushing blobs".
//!
//! A large one goes in one stream. Where the connection breaks, the registry is asked how much it has, and gets the rest.
//! One that has forgotten it gets it from the beginning: distribution 2.8 (docker-registry) forgets an upload of which it has
//! more than it has said to have (`blob upload invalid`), and so each one that broke.

use std::cell::Cell;
use std::io::{self, Read};

use ureq::http::{Method, StatusCode, Uri};

use super::error::RegistryError;
use super::patience::Patience;
use super::session::{Answer, Request, Session};
use crate::digest::Digest;
use crate::growing::Growing;

/// Sends `bytes` in one request.
pub(super) fn small(
    session: &Session,
    uploads: &str,
    bytes: &[u8],
    digest: &Digest,
    patience: Patience<'_>,
) -> Result<(), RegistryError> {
    patience.insist(|| {
        let location = begin(session, uploads)?;
        let request = Request::new(Method::PUT, with_digest(&location, digest));
        let request = request.header("content-type", "application/octet-stream").bytes(bytes);
        session.ask(&request)?.expect(&request, &[StatusCode::CREATED]).map(drop)
    })
}

/// Sends what grows in `source`. `digest` knows what it is when it is whole, and `is_there` whether the registry has that.
pub(super) fn large(
    session: &Session,
    uploads: &str,
    source: &Growing<'_>,
    digest: &dyn Fn() -> Option<Digest>,
    is_there: &dyn Fn(&Digest) -> bool,
    sent: &mut dyn FnMut(u64),
    patience: Patience<'_>,
) -> Result<(), RegistryError> {
    let mut failures = 0;
    let mut upload: Option<Upload> = None;
    loop {
        patience.check()?;
        // Another try, or somebody else, may have brought it.
        if failures > 0 && digest().is_some_and(|digest| is_there(&digest)) {
            return Ok(());
        }
        let before = upload.as_ref().map_or(0, |upload| upload.offset);
        let error = match attempt(session, uploads, source, digest, &mut upload, sent, patience) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // What was refused as it is begins anew, and counts as a failure.
        let is_refused = matches!(&error, RegistryError::NotFound { .. })
            || matches!(&error, RegistryError::Answer { status, .. } if status.is_client_error());
        if is_refused {
            upload = None;
            failures += 1;
            if failures >= patience.tries {
                return Err(error);
            }
            continue;
        }
        if upload.as_ref().is_some_and(|upload| upload.offset > before) {
            failures = 0;
        }
        patience.after(error, &mut failures)?;
        resume(session, &mut upload);
    }
}

/// Where the registry takes it, and how much of it that has.
struct Upload {
    location: String,
    offset: u64,
}

/// Sends the rest in one stream, and has the registry name it.
fn attempt(
    session: &Session,
    uploads: &str,
    source: &Growing<'_>,
    digest: &dyn Fn() -> Option<Digest>,
    upload: &mut Option<Upload>,
    sent: &mut dyn FnMut(u64),
    patience: Patience<'_>,
) -> Result<(), RegistryError> {
    if upload.is_none() {
        *upload = Some(Upload { location: begin(session, uploads)?, offset: 0 });
    }
    let Some(Upload { location, offset }) = upload.as_mut() else { return Ok(()) };
    let request = Request::new(Method::PATCH, location.clone()).header("content-type", "application/octet-stream");
    let stopped = Cell::new(None);
    let mut body = Body { source: source.reader(*offset), passed: *offset, sent, patience, stopped: &stopped };
    let answered = session.send(&request, &mut body);
    let passed = body.passed;
    // Whose fault it was that the stream ended.
    if let Some(error) = stopped.take() {
        return Err(error);
    }
    let answer = answered?.expect(&request, &[StatusCode::ACCEPTED])?;
    *location = moved(session, &answer, uploads)?;
    *offset = passed;
    let Some(digest) = digest() else { return Err(RegistryError::Source(io::Error::other("it has no digest"))) };
    let request = Request::new(Method::PUT, with_digest(location, &digest));
    session.ask(&request)?.expect(&request, &[StatusCode::CREATED]).map(drop)
}

fn begin(session: &Session, uploads: &str) -> Result<String, RegistryError> {
    let request = Request::new(Method::POST, uploads.to_owned());
    let answer = session.ask(&request)?.expect(&request, &[StatusCode::ACCEPTED])?;
    moved(session, &answer, uploads)
}

/// Asks how much arrived. A registry that does not say begins anew.
fn resume(session: &Session, upload: &mut Option<Upload>) {
    let Some(begun) = upload.take() else { return };
    let request = Request::new(Method::GET, begun.location.clone());
    let Ok(answer) = session.ask(&request) else {
        // It may be away for longer.
        *upload = Some(begun);
        return;
    };
    if answer.status() != StatusCode::NO_CONTENT {
        return;
    }
    let last = answer.header("range").and_then(|range| range.rsplit('-').next()).and_then(|last| last.parse().ok());
    let location = moved(session, &answer, &begun.location).unwrap_or(begun.location);
    // "0-0" is said of one byte, and by some of none: that one begins anew.
    *upload = last.filter(|&last: &u64| last > 0).map(|last| Upload { location, offset: last + 1 });
}

/// Where the registry wants the next part.
fn moved(session: &Session, answer: &Answer, asked: &str) -> Result<String, RegistryError> {
    let nonsense = |what| RegistryError::Nonsense { url: asked.to_owned(), what };
    let location = answer.header("location").ok_or_else(|| nonsense("it does not say where to send a blob"))?;
    let absolute =
        if location.starts_with('/') { format!("{}{location}", session.base()) } else { location.to_owned() };
    match absolute.parse::<Uri>() {
        Ok(uri) if uri.scheme().is_some() && uri.authority().is_some() => Ok(absolute),
        _ => Err(nonsense("where it wants a blob is no URL")),
    }
}

fn with_digest(location: &str, digest: &Digest) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={digest}")
}

/// What is sent: stops when it is to stop, and says how far it is.
struct Body<'b, R> {
    source: R,
    passed: u64,
    sent: &'b mut dyn FnMut(u64),
    patience: Patience<'b>,
    stopped: &'b Cell<Option<RegistryError>>,
}

impl<R: Read> Read for Body<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.patience.check().and_then(|()| self.source.read(buffer).map_err(RegistryError::Source));
        match read {
            Ok(read) => {
                self.passed += read as u64;
                (self.sent)(self.passed);
                Ok(read)
            }
            Err(error) => {
                self.stopped.set(Some(error));
                Err(io::Error::other("stopped"))
            }
        }
    }
}
