//! Makes an overlay that is not mounted hide a path, as if it had been deleted there.
//!
//! ```text
//! cargo run --example hide PATH UPPERDIR LOWERDIR...
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};

use layerfs::{Deletion, Layers, Upperdir};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let usage = "name the path, the upperdir, then the lowerdirs, the topmost first";
    let path = arguments.next().ok_or(usage)?;
    let upperdir = arguments.next().ok_or(usage)?;
    let lowerdirs = arguments.map(PathBuf::from).collect();

    let mut upper = Upperdir::open(&Layers::new(upperdir, lowerdirs))?;
    println!(
        "{}",
        match upper.delete(Path::new(&path))? {
            Deletion::Whiteout => "a whiteout hides it",
            Deletion::Opaque => "the upper directory hides the lower ones",
            Deletion::NotShown => "no lower layer shows it",
        }
    );
    upper.finish()?;
    Ok(())
}
