//! Prints what an upperdir changes in the layers below it: `C /path` for what is new or changed, `D /path` for what is
//! deleted.
//!
//! ```text
//! cargo run --example changes UPPERDIR LOWERDIR...
//! ```

use std::error::Error;
use std::path::PathBuf;

use layerfs::{Change, Layers};

fn main() -> Result<(), Box<dyn Error>> {
    let mut dirs = std::env::args_os().skip(1).map(PathBuf::from);
    let upperdir = dirs.next().ok_or("name the upperdir, then the lowerdirs, the topmost first")?;
    let stats = layerfs::walk(&Layers::new(upperdir, dirs.collect()), |change| {
        match change {
            Change::Present(present) => println!("C /{}", present.path.display()),
            Change::Deleted { path, .. } => println!("D /{}", path.display()),
        }
        Ok::<(), std::io::Error>(())
    })?;
    println!("{} files, {} directories, {} deleted", stats.files, stats.directories, stats.deleted);
    Ok(())
}
