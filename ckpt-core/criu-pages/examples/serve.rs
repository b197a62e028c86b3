//! Serves the images of a directory to `criu restore --lazy-pages`, in the place of `criu lazy-pages`.
//!
//! Usage: serve IMAGE_DIRECTORY [WORKING_DIRECTORY [CGROUP_DIRECTORY]]

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use criu_pages::{Checkpoint, Images, PageServer, State};

fn main() -> Result<()> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let images = arguments.next().context("which directory has the images?")?;
    let working_directory = arguments.next().unwrap_or_else(|| images.clone());
    let status = working_directory.join("lazy-pages.status");

    let checkpoint = Checkpoint::read(&Images::in_directory(&images)?)?;
    println!("{} bytes may come later", checkpoint.lazy_bytes());
    let mut server = PageServer::new(checkpoint, &working_directory, &status);
    if let Some(cgroup) = arguments.next() {
        server = server.cgroup(&cgroup);
    }
    let serving = server.start()?;
    println!("now start: criu restore --lazy-pages");

    let status = serving.status().wait()?;
    println!("{status:?}");
    ensure!(status.state == State::Complete, "the memory did not come");
    Ok(())
}
