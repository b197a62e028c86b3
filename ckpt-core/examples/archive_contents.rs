//! Prints what a checkpoint archive holds, and what its container would be allowed on this host. Needs no root.
//!
//! ```text
//! cargo run --example archive_contents ARCHIVE
//! ```

use std::error::Error;
use std::path::Path;

use ckpt_core::inspect::inspect;

fn main() -> Result<(), Box<dyn Error>> {
    let archive = std::env::args_os().nth(1).ok_or("name an archive")?;
    let inspection = inspect(Path::new(&archive), &std::env::temp_dir())?;
    println!("{} of {}", inspection.name, inspection.image);
    for part in &inspection.parts {
        println!("{}: {} members, {} bytes", part.name, part.members, part.bytes);
    }
    for granted in &inspection.privileges {
        println!("{}: {}, by {}", granted.privilege.title(), granted.privilege, granted.by);
    }
    Ok(())
}
