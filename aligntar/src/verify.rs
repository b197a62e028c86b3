//! Checks everything in an archive that a reader could fail on, and how its data lies.

mod report;

use std::fs::File;

use rustix::io::Errno;

use crate::align::{Alignment, TAR_BLOCK};
use crate::entry::Entry;
use crate::member::Kind;
use crate::reader::{Limits, ReadError, Reader};
use crate::source::{FileSource, Source};
use crate::sys::extents;
pub use report::{Problem, ProblemKind, Report, Sharing, Unaligned};

/// How an archive is verified.
#[derive(Clone, Copy, Debug)]
pub struct VerifyOptions {
    /// Bounds on what the archive may cost. Default [`Limits::default`].
    pub limits: Limits,
    /// The blocks that data should start on. Default 4096 bytes; for a file see [`Alignment::of`].
    pub alignment: Alignment,
    /// Levels of nested archives to be looked into. Default 4: a checkpoint has one.
    pub depth: u32,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        VerifyOptions { limits: Limits::default(), alignment: Alignment::DEFAULT, depth: 4 }
    }
}

/// Verifies the archive that fills `file`, as [`verify`], and asks the file system which of its blocks are shared.
///
/// # Errors
/// [`ReadError::Io`] if the file's size or its blocks cannot be asked for. Damage is part of the report.
pub fn verify_file(file: &File, options: &VerifyOptions) -> Result<Report, ReadError> {
    let io_error = |source| ReadError::Io { offset: 0, source };
    let mut report = verify(&mut FileSource::new(file).map_err(io_error)?, options);
    report.sharing = sharing(file).map_err(|errno| io_error(errno.into()))?;
    Ok(report)
}

/// Verifies the archive in `source`, a stream included: every header and pax record, every member that is an archive
/// itself (a file whose name ends in `.tar` and that begins with a header), the end marker, and that nothing but
/// zeros follows it. A compressed stream is read to its end, which verifies its checksums as well.
///
/// Data that does not lie on blocks is counted, and is not a problem.
pub fn verify(source: &mut dyn Source, options: &VerifyOptions) -> Report {
    let mut verifier = Verifier { options: *options, report: Report::default() };
    verifier.archive(Reader::new(source, options.limits), None, options.depth);
    verifier.report
}

fn sharing(file: &File) -> Result<Option<Sharing>, Errno> {
    let mut sharing = Sharing::default();
    let counted = extents(file, |extent| {
        sharing.mapped_bytes += extent.length;
        sharing.shared_bytes += if extent.shared { extent.length } else { 0 };
    });
    match counted {
        Err(Errno::OPNOTSUPP | Errno::NOTTY) => Ok(None),
        counted => counted.map(|()| Some(sharing)),
    }
}

struct Verifier {
    options: VerifyOptions,
    report: Report,
}

impl Verifier {
    /// `within` is the path of the nested archive that `reader` reads; `depth` the levels that may follow.
    fn archive(&mut self, mut reader: Reader<&mut dyn Source>, within: Option<&[u8]>, depth: u32) {
        if let Err((offset, kind)) = self.members(&mut reader, depth) {
            self.report.problems.push(Problem { offset, within: within.map(<[u8]>::to_vec), kind });
        }
    }

    fn members(&mut self, reader: &mut Reader<&mut dyn Source>, depth: u32) -> Result<(), (u64, ProblemKind)> {
        let located = |error: ReadError| (error.offset(), error.into());
        while let Some(entry) = reader.next_entry().map_err(located)? {
            self.report.members += 1;
            if let Kind::Regular { size } = entry.member.kind {
                self.count_alignment(&entry, size);
                if depth > 0 && may_be_archive(&entry) {
                    let mut nested = reader.nested(&entry);
                    if nested.begins_with_header().map_err(located)? {
                        self.report.nested_archives += 1;
                        self.archive(nested, Some(&entry.member.path), depth - 1);
                        continue;
                    }
                }
                self.report.bytes += size;
            }
        }
        end(reader)
    }

    fn count_alignment(&mut self, entry: &Entry, size: u64) {
        let alignment = self.options.alignment;
        if size < alignment.bytes() {
            return;
        }
        if alignment.is_aligned(entry.data_offset) {
            self.report.aligned_members += 1;
            return;
        }
        self.report.unaligned_members += 1;
        self.report
            .first_unaligned
            .get_or_insert_with(|| Unaligned { path: entry.member.path.clone(), data_offset: entry.data_offset });
    }
}

fn may_be_archive(entry: &Entry) -> bool {
    entry.sparse.is_none() && entry.member.path.ends_with(b".tar") && entry.stored_len >= TAR_BLOCK
}

/// Checks what is left behind the last member.
fn end(reader: &mut Reader<&mut dyn Source>) -> Result<(), (u64, ProblemKind)> {
    let Some(marker) = reader.end_marker_offset() else {
        return Err((reader.offset(), ProblemKind::NoEndMarker));
    };
    let mut offset = marker + TAR_BLOCK;
    let mut chunk = vec![0; TRAILING_CHUNK];
    loop {
        let read = reader.read_up_to(&mut chunk, offset);
        let len = read.map_err(|error| (offset, error.into()))?;
        if let Some(at) = chunk[..len].iter().position(|&byte| byte != 0) {
            return Err((offset + at as u64, ProblemKind::Trailing));
        }
        offset += len as u64;
        match len {
            0 if offset < marker + 2 * TAR_BLOCK => return Err((offset, ProblemKind::HalfEndMarker)),
            0 => return Ok(()),
            _ => {}
        }
    }
}

/// Bytes read at once behind the end marker.
const TRAILING_CHUNK: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::padded_len;
    use crate::header::member_header;
    use crate::member::Member;
    use crate::source::StreamSource;
    use std::os::unix::fs::FileExt;

    fn member(name: &str, data: &[u8]) -> Vec<u8> {
        let header = member_header(&Member::new(name, Kind::Regular { size: data.len() as u64 }, 0o644));
        let mut bytes = [&header[..], data].concat();
        bytes.resize(padded_len(bytes.len() as u64).unwrap() as usize, 0);
        bytes
    }

    /// The report on `bytes`, which is the same from a file and from a stream.
    fn report(bytes: &[u8]) -> Report {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        let options = VerifyOptions::default();
        let of_file = verify(&mut FileSource::new(&file).unwrap(), &options);
        let of_stream = verify(&mut StreamSource::new(bytes), &options);
        assert_eq!(problems(&of_file), problems(&of_stream));
        assert_eq!(counts(&of_file), counts(&of_stream));
        of_file
    }

    fn problems(report: &Report) -> Vec<(u64, Option<Vec<u8>>, String)> {
        let each = report.problems.iter();
        each.map(|problem| (problem.offset, problem.within.clone(), problem.kind.to_string())).collect()
    }

    /// Members, bytes, nested archives, aligned and unaligned members.
    fn counts(report: &Report) -> [u64; 5] {
        let Report { members, bytes, nested_archives, aligned_members, unaligned_members, .. } = *report;
        [members, bytes, nested_archives, aligned_members, unaligned_members]
    }

    const END: [u8; 1024] = [0; 1024];

    #[test]
    fn a_sound_archive_has_counts_and_no_problems() {
        let nested = [&member("inner", b"data")[..], &member("large", &[1; 5000]), &END].concat();
        let bytes = [&member("a", b"ab")[..], &member("n.tar", &nested), &member("b.tar", b"none"), &END].concat();
        let report = report(&[&bytes[..], &[0; 8192]].concat());
        assert!(report.problems.is_empty(), "{report:?}");
        assert_eq!(counts(&report), [5, 2 + 4 + 5000 + 4, 1, 0, 2]);
        let first = Unaligned { path: b"n.tar".to_vec(), data_offset: 3 * 512 };
        assert_eq!(report.first_unaligned, Some(first));
    }

    #[test]
    fn data_on_blocks_is_counted_as_aligned() {
        let bytes = [&member("a", &[1; 3072])[..], &member("b", &[2; 4096]), &END].concat();
        assert_eq!(counts(&report(&bytes)), [2, 7168, 0, 1, 0]);
    }

    #[test]
    fn ends_are_looked_at() {
        let whole = member("a", b"ab");
        let trailing = [&whole[..], &END, &[0; 700], b"x"].concat();
        let cases: [(&str, Vec<u8>, u64, &str); 5] = [
            ("none", whole.clone(), 1024, "the end marker is missing"),
            ("half", [&whole[..], &END[..512]].concat(), 1536, "the end marker is cut off"),
            ("trailing", trailing, 1024 + 1024 + 700, "something follows"),
            ("second block", [&whole[..], &END[..512], &whole].concat(), 1536, "something follows"),
            ("empty", Vec::new(), 0, "truncated"),
        ];
        for (what, bytes, offset, text) in cases {
            let found = problems(&report(&bytes));
            assert!(
                matches!(&found[..], [(at, None, said)] if *at == offset && said.starts_with(text)),
                "{what}: {found:?}"
            );
        }
    }

    #[test]
    fn damage_in_a_nested_archive_is_reported_and_the_rest_is_read() {
        let mut nested = [&member("inner", b"data")[..], &member("second", b""), &END].concat();
        nested[1024] ^= 1;
        let bytes = [&member("n.tar", &nested)[..], &member("m.tar", &nested), &member("last", b""), &END].concat();
        let report = report(&bytes);
        let found = problems(&report);
        assert_eq!(report.members, 5);
        let [first, second] = &found[..] else { panic!("{found:?}") };
        assert_eq!((first.0, first.1.as_deref()), (512 + 1024, Some(&b"n.tar"[..])));
        assert_eq!((second.0, second.1.as_deref()), (512 + 2560 + 512 + 1024, Some(&b"m.tar"[..])));
    }

    #[test]
    fn the_depth_of_nested_archives_is_bounded() {
        let nest = |bytes: Vec<u8>, _| [&member("n.tar", &bytes)[..], &END].concat();
        let bytes = (0..10).fold(END.to_vec(), nest);
        let report = report(&bytes);
        assert!(report.problems.is_empty(), "{report:?}");
        assert_eq!((report.nested_archives, report.members), (4, 5));
    }

    #[test]
    fn sharing_is_told_where_the_file_system_does() {
        let file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.write_all_at(&[&member("a", &[1; 10_000])[..], &END].concat(), 0).unwrap();
        let report = verify_file(&file, &VerifyOptions::default()).unwrap();
        assert!(report.problems.is_empty());
        assert!(report.sharing.is_none_or(|sharing| sharing.mapped_bytes >= 10_000 && sharing.shared_bytes == 0));
    }
}
