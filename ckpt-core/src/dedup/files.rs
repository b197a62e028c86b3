//! Files that may be equal: those of one path and one length.

use aligntar::Span;

use super::contents::{Contents, FilePiece};
use super::plan::Spans;

/// Adds the data of each file of the target that the source has, too.
pub(super) fn add(source: &Contents, target: &Contents, spans: &mut Spans) {
    for file in &target.files {
        if let Some(other) = find(&source.files, file) {
            let (source_offset, target_offset) = (other.offset, file.offset);
            spans.push(Span { source_offset, target_offset, length: file.length });
        }
    }
}

/// One of the same path and length; `files` is sorted.
fn find<'f>(files: &'f [FilePiece], wanted: &FilePiece) -> Option<&'f FilePiece> {
    let key = |file: &FilePiece| (file.path, file.length);
    let at = files.partition_point(|file| key(file) < key(wanted));
    files.get(at).filter(|file| key(file) == key(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(files: &[(u64, u64, u64)]) -> Contents {
        let piece = |&(path, length, offset): &(u64, u64, u64)| FilePiece { path, length, offset };
        Contents { files: files.iter().map(piece).collect(), ..Contents::default() }
    }

    #[test]
    fn files_of_one_path_and_length_are_compared() {
        let source = contents(&[(1, 5000, 0), (2, 5000, 8192), (2, 6000, 16384), (4, 5000, 24576)]);
        let target = contents(&[(1, 5001, 0), (2, 6000, 8192), (3, 5000, 16384), (4, 5000, 40960)]);
        let mut spans = Spans::default();
        add(&source, &target, &mut spans);
        let expected = [
            Span { source_offset: 16384, target_offset: 8192, length: 6000 },
            Span { source_offset: 24576, target_offset: 40960, length: 5000 },
        ];
        assert_eq!(spans.into_vec(), expected);
    }
}
