//! Makes a second container out of a running one, which goes on: both have the same files and the same memory.
//!
//! ```text
//! sudo cargo run --example copy_container CONTAINER ARCHIVE NAME
//! ```

use std::error::Error;

use ckpt_core::checkpoint::{CheckpointOptions, checkpoint};
use ckpt_core::progress::Silent;
use ckpt_core::restore::{RestoreOptions, restore};

fn main() -> Result<(), Box<dyn Error>> {
    // podman's runtime and CRIU call this very program back, under other names.
    if let Some(status) = ckpt_core::run_callback() {
        std::process::exit(status.into());
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [container, archive, name] = arguments.try_into().map_err(|_| "name a container, an archive and a new name")?;

    let options =
        CheckpointOptions { container, export: archive.as_str().into(), leave_running: true, ..Default::default() };
    let made = checkpoint(&options, &mut Silent)?;
    println!("{} members, frozen for {:?}", made.members, made.observed_frozen.unwrap_or_default());

    let options = RestoreOptions { import: archive.as_str().into(), name: Some(name), ..Default::default() };
    println!("{}", restore(&options, &mut Silent)?.id);
    Ok(())
}
