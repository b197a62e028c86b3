//! Text in the memory of all processes. Each page is read once, in the order in which the images have them, also that of
//! shared memory.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::rc::Rc;

use criu_images::Image;
use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};

use super::error::MemoryError;
use super::mapping::{Mapping, mapping_at};
use super::opened::Memory;
use super::page_runs::{PageRuns, Run};
use super::window::{Reach, Stretch};
use crate::host::read_ahead::ReadAhead;

/// What is read at a time, in bytes: it stays in the processor's cache until it was looked at.
const PIECE: usize = 512 << 10;
/// A match of a regular expression that is longer may be given in parts, in bytes.
const LONGEST: usize = 64 << 10;
/// What a regular expression sees in front of a match, in bytes: a character, for `\b`.
const BEFORE: usize = 4;
/// What is shown of a match, in bytes.
const SHOWN: u64 = 256;

/// What is looked for.
#[derive(Debug)]
pub enum Pattern {
    /// These bytes.
    Text(Box<Finder<'static>>),
    /// What a regular expression says.
    Regex(Regex),
}

/// Why nothing can be looked for.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// Everything would be found.
    #[error("an empty text is everywhere: say what to look for")]
    Empty,
    /// It would be found everywhere.
    #[error("the regular expression matches an empty text, which is everywhere")]
    MatchesEmpty,
    /// Not a regular expression.
    #[error("this is no regular expression")]
    Regex(#[from] regex::Error),
    /// It would not be found across pieces.
    #[error("the text has {length} bytes; at most {LONGEST} can be looked for")]
    Long {
        /// Bytes.
        length: usize,
    },
}

impl Pattern {
    /// Looks for these bytes.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn text(bytes: &[u8]) -> Result<Self, PatternError> {
        match bytes.len() {
            0 => Err(PatternError::Empty),
            1..=LONGEST => Ok(Pattern::Text(Finder::new(bytes).into_owned().into())),
            length => Err(PatternError::Long { length }),
        }
    }

    /// Looks for what a regular expression of the crate `regex` says, which is of characters in UTF-8 unless it says
    /// `(?-u)`. A match of more than 64 KiB may be given in parts.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn regex(expression: &str) -> Result<Self, PatternError> {
        let regex = RegexBuilder::new(expression).build()?;
        if regex.is_match(b"") {
            return Err(PatternError::MatchesEmpty);
        }
        Ok(Pattern::Regex(regex))
    }

    fn reach(&self) -> Reach {
        match self {
            Pattern::Text(finder) => Reach { behind: finder.needle().len() - 1, before: 0 },
            Pattern::Regex(_) => Reach { behind: LONGEST, before: BEFORE },
        }
    }

    fn find(&self, bytes: &[u8], from: usize) -> Option<Range<usize>> {
        match self {
            Pattern::Text(finder) => finder.find(&bytes[from..]).map(|at| from + at..from + at + finder.needle().len()),
            Pattern::Regex(regex) => regex.find_at(bytes, from).map(|found| found.range()),
        }
    }
}

/// Something that was found.
#[derive(Debug)]
pub struct Match<'m> {
    /// In the memory of this process.
    pub pid: u32,
    /// Where it begins.
    pub address: u64,
    /// Its length in bytes.
    pub length: u64,
    /// In which mapping; none if the images have pages that no mapping has.
    pub mapping: Option<&'m Mapping>,
    /// What lies in front of it, as far as it was asked for and is in the images.
    pub before: &'m [u8],
    /// Its first bytes, 256 at most.
    pub text: &'m [u8],
    /// What lies behind it.
    pub after: &'m [u8],
}

/// Pages of one map, and who has them.
struct Searched {
    runs: Rc<PageRuns>,
    viewers: Vec<Viewer>,
}

/// A process that has some of the pages.
struct Viewer {
    pid: u32,
    mappings: Rc<[Mapping]>,
    /// The part that it has, and where.
    part: Range<u64>,
    start: u64,
}

impl Memory {
    /// Looks for `pattern` in the memory of the process `pid`, or of all, and hands each match to `visit` with `context`
    /// bytes on either side. Memory that processes share is told of each of them. What lies together in memory is looked
    /// at as one, also across pages and mappings; pages that are in no image are not looked at.
    ///
    /// # Errors
    /// [`MemoryError`]; [`MemoryError::Visit`] is what `visit` gave.
    pub fn search(
        &self,
        pid: Option<u32>,
        pattern: &Pattern,
        context: u64,
        visit: &mut dyn FnMut(&Match<'_>) -> io::Result<()>,
    ) -> Result<(), MemoryError> {
        let pids = match pid {
            Some(pid) => vec![self.process(Some(pid))?],
            None => self.processes(),
        };
        let mut shared = BTreeMap::<u64, Searched>::new();
        for pid in pids {
            let mappings: Rc<[Mapping]> = self.mappings(pid)?.into();
            for vma in self.mm(pid)?.vmas {
                let Some(id) = self.shared_memory(&vma) else { continue };
                let viewer = Viewer {
                    pid,
                    mappings: Rc::clone(&mappings),
                    part: vma.pgoff..vma.pgoff.saturating_add(vma.end - vma.start),
                    start: vma.start,
                };
                let searched = match shared.entry(id) {
                    std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::btree_map::Entry::Vacant(entry) => {
                        entry.insert(Searched { runs: self.shared_pages(id)?, viewers: Vec::new() })
                    }
                };
                searched.viewers.push(viewer);
            }
            let all = Viewer { pid, mappings, part: 0..u64::MAX, start: 0 };
            let own = Searched { runs: Rc::new(self.own_pages(pid)?), viewers: vec![all] };
            self.search_pages(&own, pattern, context, visit)?;
        }
        shared.values().try_for_each(|searched| self.search_pages(searched, pattern, context, visit))
    }

    fn search_pages(
        &self,
        searched: &Searched,
        pattern: &Pattern,
        context: u64,
        visit: &mut dyn FnMut(&Match<'_>) -> io::Result<()>,
    ) -> Result<(), MemoryError> {
        let Some(pages) = &searched.runs.pages else { return Ok(()) };
        let mut reader = Pieces::new(pages);
        for run in &searched.runs.runs {
            let Some(offset) = run.offset else { continue };
            let end = offset + (run.addresses.end - run.addresses.start);
            let mut stretch = Stretch::new(offset);
            let mut from = offset;
            loop {
                let (at, piece) = reader.piece(from, end).map_err(|source| self.read_error(source))?;
                let has_more = at + (piece.len() as u64) < end;
                from = stretch.look(
                    at,
                    piece,
                    has_more,
                    pattern.reach(),
                    |bytes, from| pattern.find(bytes, from),
                    |place| {
                        let found = Found { run, pages, place, context };
                        searched.viewers.iter().try_for_each(|viewer| self.tell(&found, viewer, visit))
                    },
                )?;
                if !has_more {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Tells one who has the page of a match.
    fn tell(
        &self,
        found: &Found<'_>,
        viewer: &Viewer,
        visit: &mut dyn FnMut(&Match<'_>) -> io::Result<()>,
    ) -> Result<(), MemoryError> {
        let start = found.run.addresses.start + (found.place.start - found.run.offset.unwrap_or_default());
        if !viewer.part.contains(&start) {
            return Ok(());
        }
        let address = viewer.start + (start - viewer.part.start);
        let (bytes, text) = found.around().map_err(|source| self.read_error(source))?;
        let found = Match {
            pid: viewer.pid,
            address,
            length: found.place.end - found.place.start,
            mapping: mapping_at(&viewer.mappings, address),
            before: &bytes[..text.start],
            text: &bytes[text.clone()][..text.len().min(SHOWN as usize)],
            after: if text.len() as u64 > SHOWN { b"" } else { &bytes[text.end..] },
        };
        visit(&found).map_err(MemoryError::Visit)
    }
}

/// A match in an image.
struct Found<'f> {
    run: &'f Run,
    pages: &'f Image,
    place: Range<u64>,
    context: u64,
}

impl Found<'_> {
    /// It and what lies around it in its run, and where it is in that; of a long one the beginning.
    fn around(&self) -> Result<(Vec<u8>, Range<usize>), rustix::io::Errno> {
        let first = self.run.offset.unwrap_or_default();
        let last = first + (self.run.addresses.end - self.run.addresses.start);
        let start = self.place.start.saturating_sub(self.context).max(first);
        let shown = self.place.end.min(self.place.start + SHOWN + 1);
        let end = shown.saturating_add(self.context).min(last);
        let mut bytes = vec![0; (end - start) as usize];
        self.pages.read_at(&mut bytes, start)?;
        Ok((bytes, (self.place.start - start) as usize..(shown - start) as usize))
    }
}

/// An image of pages, read front to back in large pieces whatever is asked for.
struct Pieces<'p> {
    image: &'p Image,
    ahead: ReadAhead<'p>,
    /// What the image has from `at` on.
    buffer: Vec<u8>,
    at: u64,
}

impl<'p> Pieces<'p> {
    fn new(image: &'p Image) -> Self {
        Pieces {
            image,
            ahead: ReadAhead::of(image.file()),
            buffer: Vec::with_capacity(PIECE + LONGEST + BEFORE),
            at: 0,
        }
    }

    /// Bytes from `from` on, to `end` or for a piece; more than those that were given for the same `from` before.
    fn piece(&mut self, from: u64, end: u64) -> Result<(u64, &[u8]), rustix::io::Errno> {
        let there = self.at + self.buffer.len() as u64;
        if from < self.at || from > there {
            self.buffer.clear();
            self.at = from;
        }
        let there = self.at + self.buffer.len() as u64;
        if there < end {
            // What is in front is not asked for any more.
            self.buffer.drain(..(from - self.at) as usize);
            self.at = from;
            let kept = self.buffer.len();
            let more = (self.image.length() - there).min(PIECE as u64) as usize;
            self.buffer.resize(kept + more, 0);
            self.ahead.reading(self.image.piece().place_of(there, 0).0);
            self.image.read_at(&mut self.buffer[kept..], there)?;
        }
        let there = self.at + self.buffer.len() as u64;
        Ok((from, &self.buffer[(from - self.at) as usize..(end.min(there) - self.at) as usize]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::small_checkpoint::{Checkpoint, PAGE, of_shared_memory};

    /// Process, address, and what was found with five bytes on either side.
    fn found(memory: &Memory, pid: Option<u32>, pattern: &Pattern) -> anyhow::Result<Vec<(u32, u64, String)>> {
        let mut all = Vec::new();
        memory.search(pid, pattern, 5, &mut |found| {
            let text = [found.before, found.text, found.after].concat();
            all.push((found.pid, found.address, text.escape_ascii().to_string()));
            Ok(())
        })?;
        Ok(all)
    }

    fn two_processes() -> Checkpoint {
        let nearly = 21 * PAGE - 3;
        Checkpoint::default()
            .with(1, &[[10, 30]], &[(nearly, b"a secret of 1".to_vec()), (25 * PAGE, b"sec".to_vec())])
            .with(2, &[[10, 30]], &[(nearly - 4 * PAGE, b"no secrets".to_vec()), (26 * PAGE, b"ret".to_vec())])
    }

    #[test]
    fn text_across_pages_is_found_in_its_process() -> anyhow::Result<()> {
        let memory = two_processes().memory()?;
        let pattern = Pattern::text(b"secret")?;
        let of_1 = (1, 21 * PAGE - 1, "\\x00\\x00\\x00a secret of ".to_owned());
        let of_2 = (2, 17 * PAGE, "\\x00\\x00no secrets\\x00\\x00\\x00\\x00".to_owned());
        let all = found(&memory, None, &pattern)?;
        assert_eq!(all.iter().map(|(pid, at, _)| (*pid, *at)).collect::<Vec<_>>(), [(1, of_1.1), (2, of_2.1)]);
        assert!(all[0].2.contains("a secret of"), "{all:?}");
        assert_eq!(found(&memory, Some(2), &pattern)?.len(), 1);
        assert!(matches!(memory.search(Some(3), &pattern, 0, &mut |_| Ok(())), Err(MemoryError::NoProcess { .. })));
        Ok(())
    }

    #[test]
    fn expressions_see_what_is_in_front() -> anyhow::Result<()> {
        let memory = two_processes().memory()?;
        for (expression, pids) in
            [("secret", vec![1, 2]), (r"\bsecret\b", vec![1]), (r"sec.{1,3}s", vec![2]), (r"(?-u)[a-z]{7,}", vec![2])]
        {
            let all = found(&memory, None, &Pattern::regex(expression)?)?;
            assert_eq!(all.iter().map(|(pid, ..)| *pid).collect::<Vec<_>>(), pids, "{expression}");
        }
        Ok(())
    }

    #[test]
    fn shared_memory_is_told_of_each_process_that_sees_the_place() -> anyhow::Result<()> {
        let mut checkpoint = Checkpoint::default()
            .with_vmas(1, vec![of_shared_memory(100..104, 9, 0)])
            .with_vmas(2, vec![of_shared_memory(200..202, 9, 2)])
            .with_vmas(3, vec![of_shared_memory(300..301, 9, 0)]);
        checkpoint.add_map("pagemap-shmem-9.img", &[(2 * PAGE + 7, b"secret".to_vec())]);
        let all = found(&checkpoint.memory()?, None, &Pattern::text(b"secret")?)?;
        let places: Vec<_> = all.iter().map(|(pid, at, _)| (*pid, *at)).collect();
        assert_eq!(places, [(1, 102 * PAGE + 7), (2, 200 * PAGE + 7)]);
        Ok(())
    }

    #[test]
    fn what_is_everywhere_is_not_looked_for() {
        assert!(matches!(Pattern::text(b""), Err(PatternError::Empty)));
        assert!(matches!(Pattern::regex("a*"), Err(PatternError::MatchesEmpty)));
        assert!(matches!(Pattern::regex("("), Err(PatternError::Regex(_))));
        assert!(matches!(Pattern::text(&vec![1; LONGEST + 1]), Err(PatternError::Long { .. })));
    }

    #[test]
    fn an_image_with_fewer_pages_than_the_map_says_is_refused() -> anyhow::Result<()> {
        let memory = two_processes().cut("pages-2.img", PAGE).memory()?;
        let error = memory.search(None, &Pattern::text(b"x")?, 0, &mut |_| Ok(())).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("pages-2.img has 4096 bytes, and 12288 are mapped"));
        Ok(())
    }
}
