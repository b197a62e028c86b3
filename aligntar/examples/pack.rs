//! Packs a directory into an archive, and prints how its data got there.
//!
//! ```text
//! cargo run --example pack DIRECTORY ARCHIVE
//! ```

use std::error::Error;
use std::fs::File;

use aligntar::{PackOptions, Packer, Transferred, WriteOptions, Writer};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(directory), Some(archive)) = (arguments.next(), arguments.next()) else {
        return Err("name the directory and the archive".into());
    };
    let archive = File::create(archive)?;
    let mut writer = Writer::new(&archive, WriteOptions::default())?;
    let mut on_member = |path: &[u8], _: Transferred| println!("{}", String::from_utf8_lossy(path));
    let mut packer = Packer::new(&mut writer, PackOptions::default(), &mut on_member);
    packer.pack_tree(File::open(directory)?, b".")?;
    let written = writer.finish()?;
    let Transferred { cloned_bytes, copied_bytes, hole_bytes, .. } = written.moved;
    println!("{} members: {cloned_bytes} bytes cloned, {copied_bytes} copied, {hole_bytes} in holes", written.members);
    Ok(())
}
