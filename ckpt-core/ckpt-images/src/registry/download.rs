//! A blob on its way here. Where a connection breaks, the next one goes on from there.

use std::fmt;
use std::io::{self, Read};

use ureq::http::{Method, StatusCode};

use super::error::RegistryError;
use super::patience::Patience;
use super::session::{Answer, Request, Session};

/// Reads a blob, see [`super::Registry::blob`]. Its errors are [`RegistryError`] within those of the kernel.
pub struct Download<'s> {
    session: &'s Session,
    url: String,
    size: u64,
    patience: Patience<'s>,
    offset: u64,
    failures: u32,
    body: Option<Box<dyn Read>>,
}

impl fmt::Debug for Download<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Download of {}, {} of {} bytes", self.url, self.offset, self.size)
    }
}

impl<'s> Download<'s> {
    pub(super) fn new(session: &'s Session, url: String, size: u64, patience: Patience<'s>) -> Self {
        Download { session, url, size, patience, offset: 0, failures: 0, body: None }
    }

    /// The next bytes; none at the end.
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, RegistryError> {
        loop {
            self.patience.check()?;
            match self.attempt(buffer) {
                Ok(read) => {
                    if read > 0 {
                        self.failures = 0;
                    }
                    return Ok(read);
                }
                Err(error) => {
                    self.body = None;
                    self.patience.after(error, &mut self.failures)?;
                }
            }
        }
    }

    fn attempt(&mut self, buffer: &mut [u8]) -> Result<usize, RegistryError> {
        if self.body.is_none() && self.offset < self.size {
            self.body = Some(self.open()?);
        }
        let Some(body) = self.body.as_mut() else { return Ok(0) };
        let rest = self.size - self.offset;
        // One byte more than there should be shows a blob that is longer than was said.
        let wanted = buffer.len().min(usize::try_from(rest).unwrap_or(usize::MAX).max(1));
        let read = body.read(&mut buffer[..wanted]);
        let broken = |error| RegistryError::of_connection("fetch".to_owned(), self.url.clone(), ureq::Error::Io(error));
        let read = read.map_err(broken)?;
        let length = |found| RegistryError::Length { url: self.url.clone(), found, expected: self.size };
        match (read, rest) {
            (0, 0) => Ok(0),
            (0, _) => Err(length(self.offset)),
            (_, 0) => Err(RegistryError::TooLarge { what: "a blob", size: self.size + 1, limit: self.size }),
            _ => {
                self.offset += read as u64;
                Ok(read)
            }
        }
    }

    /// The rest of the blob.
    fn open(&self) -> Result<Box<dyn Read>, RegistryError> {
        let mut request = Request::new(Method::GET, self.url.clone());
        if self.offset > 0 {
            request = request.header("range", &format!("bytes={}-", self.offset));
        }
        let answer = self.session.ask(&request)?;
        let answer = answer.expect(&request, &[StatusCode::OK, StatusCode::PARTIAL_CONTENT])?;
        let from = self.begins_at(&answer)?;
        let told: Option<u64> = answer.header("content-length").and_then(|length| length.parse().ok());
        match told.map(|told| from.saturating_add(told)) {
            // No line has cut this off: the next try would get no more.
            Some(found) if found != self.size => {
                return Err(RegistryError::OtherLength { url: self.url.clone(), found, expected: self.size });
            }
            _ => {}
        }
        let mut body = answer.into_reader();
        // From its beginning, by a registry that knows no ranges.
        let skipped = io::copy(&mut body.by_ref().take(self.offset - from), &mut io::sink()).unwrap_or_default();
        match from + skipped == self.offset {
            true => Ok(Box::new(body)),
            false => Err(RegistryError::Length { url: self.url.clone(), found: skipped, expected: self.size }),
        }
    }

    fn begins_at(&self, answer: &Answer) -> Result<u64, RegistryError> {
        if answer.status() == StatusCode::OK {
            return Ok(0);
        }
        let range = answer.header("content-range").and_then(|range| range.strip_prefix("bytes "));
        let first = range.and_then(|range| range.split('-').next()).and_then(|first| first.parse().ok());
        let nonsense = RegistryError::Nonsense { url: self.url.clone(), what: "another part than was asked for" };
        first.filter(|&first| first <= self.offset).ok_or(nonsense)
    }
}

impl Read for Download<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.next(buffer).map_err(io::Error::other)
    }
}
