//! `mem`: the memory of a checkpoint's processes, read where it lies in the archive.
//!
//! | module | what it is for |
//! |---|---|
//! | `opened` | the images of an archive, and which processes they have |
//! | `names` | the files that mappings are of |
//! | `mapping` | a mapping, as `/proc/PID/maps` shows it |
//! | `page_runs` | which pages an image of pages has |
//! | `space` | where each byte of a process's memory lies |
//! | `dump` | some of it, as bytes |
//! | `search`, `window` | text in all of it |
//! | `compare` | what differs in two archives |
//! | `core_file`, `notes`, `elf` | all of it, as a core file for gdb |
//!
//! Pages that are in no image are zeros if they belong to no file: CRIU leaves out what was never written to. Those of files
//! are as they are in the file, and those of an earlier checkpoint (`--with-previous`) are in its archive.

mod compare;
mod core_file;
mod dump;
mod elf;
mod error;
mod mapping;
mod names;
mod notes;
mod opened;
mod page_runs;
mod search;
#[cfg(test)]
mod small_checkpoint;
mod space;
mod window;

pub use compare::{Comparison, MappingDifference};
pub use error::MemoryError;
pub use mapping::{Kind, Mapping};
pub use opened::Memory;
pub use search::{Match, Pattern, PatternError};
