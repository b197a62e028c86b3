//! What packing and unpacking large files by clones costs at least: one FICLONERANGE for each file, and nothing else that
//! could be left out. `cargo xtask bench tree` measures `ckpt` against it.
//!
//! `clone-loop pack FOLDER FILE` puts all files of a folder behind one another into a file; `clone-loop unpack FILE FOLDER`
//! takes them out again. No attributes, no folders, no other kinds of file. What does not fill a block is kept at the
//! end: a tail between two clones would have to be written out before the second.
//!
//! ```text
//! index: place of the tails, then "place length name" of each file │ whole blocks of each file │ tails
//! ```

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::ExitCode;

use aligntar::{Alignment, ClonePolicy, Span, transfer};

/// Space for the names, in bytes.
const INDEX: usize = 64 * 1024;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["pack", folder, file] => pack(folder.as_ref(), file.as_ref()),
        ["unpack", file, folder] => unpack(file.as_ref(), folder.as_ref()),
        _ => Err("usage: clone-loop pack FOLDER FILE | clone-loop unpack FILE FOLDER".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("clone-loop: {error}");
            ExitCode::FAILURE
        }
    }
}

fn pack(folder: &Path, file: &Path) -> Outcome {
    let target = File::create_new(file)?;
    let fs_block = Alignment::of(&target)?;
    let (mut files, mut tails, mut target_offset) = (String::new(), Vec::new(), INDEX as u64);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let source = File::open(entry.path())?;
        let length = source.metadata()?.len();
        let blocks = fs_block.align_down(length);
        let span = Span { source_offset: 0, target_offset, length: blocks };
        transfer(&source, &target, span, fs_block, ClonePolicy::Required)?;
        let start = tails.len();
        tails.resize(start + usize::try_from(length - blocks)?, 0);
        source.read_exact_at(&mut tails[start..], blocks)?;
        files += &format!("{target_offset} {length} {}\n", entry.file_name().to_string_lossy());
        target_offset += blocks;
    }
    let index = format!("{target_offset}\n{files}");
    if index.len() > INDEX {
        return Err("too many files: their names do not fit".into());
    }
    target.write_all_at(&tails, target_offset)?;
    target.write_all_at(index.as_bytes(), 0)?;
    Ok(())
}

fn unpack(file: &Path, folder: &Path) -> Outcome {
    let mut source = File::open(file)?;
    let fs_block = Alignment::of(&source)?;
    let index = index(&source)?;
    let (tails_offset, files) = index.split_once('\n').ok_or("no index")?;
    let mut tails = Vec::new();
    source.seek(SeekFrom::Start(tails_offset.parse()?))?;
    source.read_to_end(&mut tails)?;
    let mut tails = &tails[..];
    for line in files.lines() {
        let mut words = line.splitn(3, ' ');
        let (Some(offset), Some(length), Some(name)) = (words.next(), words.next(), words.next()) else {
            return Err(format!("no line of an index: {line}").into());
        };
        let target = File::create_new(folder.join(name))?;
        let length: u64 = length.parse()?;
        let blocks = fs_block.align_down(length);
        let span = Span { source_offset: offset.parse()?, target_offset: 0, length: blocks };
        transfer(&source, &target, span, fs_block, ClonePolicy::Required)?;
        let (tail, others) = tails.split_at_checked(usize::try_from(length - blocks)?).ok_or("a tail is missing")?;
        target.write_all_at(tail, blocks)?;
        tails = others;
    }
    Ok(())
}

/// The text at the beginning, without the zeros behind it.
fn index(source: &File) -> io::Result<String> {
    let mut index = String::new();
    source.take(INDEX as u64).read_to_string(&mut index)?;
    Ok(index.trim_end_matches('\0').to_owned())
}
