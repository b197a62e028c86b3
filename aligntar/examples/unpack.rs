//! Unpacks what can be unpacked of an archive, and says what cannot.
//!
//! ```text
//! cargo run --example unpack ARCHIVE DIRECTORY
//! ```

use std::error::Error;
use std::fs::File;
use std::os::fd::AsFd;

use aligntar::{PlainParents, Reader, ShownName, UnpackError, UnpackObserver, UnpackOptions, Unpacker};

/// Prints each failure and lets the unpacking go on.
struct Printer;

impl UnpackObserver for Printer {
    fn failed(&mut self, error: UnpackError) -> Result<(), UnpackError> {
        println!("not as in the archive: {error}");
        Ok(())
    }

    fn followed(&mut self, link: ShownName, target: ShownName) {
        println!("through the link {link} to {target}");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(archive), Some(directory)) = (arguments.next(), arguments.next()) else {
        return Err("name the archive and the directory".into());
    };
    let (archive, root) = (File::open(archive)?, File::open(directory)?);
    let (mut parents, mut printer) = (PlainParents, Printer);
    let mut unpacker = Unpacker::with_observer(root.as_fd(), UnpackOptions::default(), &mut parents, &mut printer)?;
    let mut reader = Reader::open(&archive)?;
    while let Some(entry) = reader.next_entry()? {
        unpacker.unpack(&entry, reader.source_mut())?;
    }
    let moved = unpacker.finish()?;
    println!("{} bytes cloned, {} copied", moved.cloned_bytes, moved.copied_bytes);
    Ok(())
}
