//! What is in the file, and where: one line each.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::Outcome;

/// One name of the tree; its line is `kind number number number number path[|target]`.
pub(crate) enum Name {
    Folder {
        path: String,
    },
    /// Whole blocks are at `blocks` if it is large, the rest is at `tail`.
    /// `inode` is 0 unless it has other names.
    File {
        path: String,
        blocks: u64,
        tail: u64,
        length: u64,
        inode: u64,
    },
    Symlink {
        path: String,
        target: String,
    },
    HardLink {
        path: String,
        target: String,
    },
}

impl Name {
    fn line(&self) -> String {
        match self {
            Name::Folder { path } => format!("d 0 0 0 0 {path}\n"),
            Name::File { path, blocks, tail, length, inode } => format!("f {blocks} {tail} {length} {inode} {path}\n"),
            Name::Symlink { path, target } => format!("s 0 0 0 0 {path}|{target}\n"),
            Name::HardLink { path, target } => format!("h 0 0 0 0 {path}|{target}\n"),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(6, ' ');
        let kind = words.next()?;
        let mut number = || words.next()?.parse::<u64>().ok();
        let (blocks, tail, length, inode) = (number()?, number()?, number()?, number()?);
        let path = words.next()?;
        let link = || path.split_once('|').map(|(path, target)| (path.to_owned(), target.to_owned()));
        Some(match kind {
            "d" => Name::Folder { path: path.to_owned() },
            "f" => Name::File { path: path.to_owned(), blocks, tail, length, inode },
            "s" => link().map(|(path, target)| Name::Symlink { path, target })?,
            _ => link().map(|(path, target)| Name::HardLink { path, target })?,
        })
    }
}

/// Writes the index of `names` at `offset`, where the data ends.
pub(crate) fn write(file: &File, names: &[Name], offset: u64) -> io::Result<()> {
    let mut bytes: Vec<u8> = names.iter().flat_map(|name| name.line().into_bytes()).collect();
    bytes.extend_from_slice(&offset.to_le_bytes());
    file.write_all_at(&bytes, offset)
}

pub(crate) fn read(file: &File) -> Outcome<Vec<Name>> {
    let end = file.metadata()?.len().checked_sub(8).ok_or("no index")?;
    let mut offset = [0; 8];
    file.read_exact_at(&mut offset, end)?;
    let offset = u64::from_le_bytes(offset);
    let mut bytes = vec![0; usize::try_from(end.checked_sub(offset).ok_or("no index")?)?];
    file.read_exact_at(&mut bytes, offset)?;
    let text = String::from_utf8(bytes)?;
    text.lines().map(|line| Name::parse(line).ok_or_else(|| format!("no line of an index: {line}").into())).collect()
}
