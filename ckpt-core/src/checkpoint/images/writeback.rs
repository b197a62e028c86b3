//! CRIU's images on their way to the disk while CRIU still writes them.
//!
//! The kernel begins by itself only when a tenth of the memory is dirty, and a clone waits until all of the file is
//! written. Begun early, most of that is done when the dump is.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aligntar::start_writeback;

/// CRIU writes some 50 MB in it.
const PERIOD: Duration = Duration::from_millis(50);

/// Less than this is not worth a call, bytes.
const LEAST: u64 = 4 << 20;

/// Large files of a folder being written out as they grow; all the rest is begun when this value is dropped.
#[derive(Debug)]
pub(in crate::checkpoint) struct ImagesWriteback(Option<(Sender<()>, JoinHandle<()>)>);

impl ImagesWriteback {
    /// Watches `folder`, which need not be there yet.
    pub(in crate::checkpoint) fn begin(folder: PathBuf) -> Self {
        let (stop, stopped) = mpsc::channel();
        let writer = thread::spawn(move || {
            let mut begun = Begun::default();
            while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                // What is not begun here is written out by the clone.
                let _ = begun.go_on(&folder);
            }
        });
        ImagesWriteback(Some((stop, writer)))
    }
}

impl Drop for ImagesWriteback {
    fn drop(&mut self) {
        if let Some((stop, writer)) = self.0.take() {
            drop(stop);
            // Nothing depends on it.
            let _ = writer.join();
        }
    }
}

/// How far each file's writeback was begun, in bytes.
#[derive(Default)]
struct Begun(BTreeMap<OsString, u64>);

impl Begun {
    fn go_on(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let range = self.next_range(entry.file_name(), entry.metadata()?.len());
            if !range.is_empty() {
                start_writeback(File::open(entry.path())?, range)?;
            }
        }
        Ok(())
    }

    /// What has come to a file since it was last looked at; nothing if it is little.
    fn next_range(&mut self, name: OsString, len: u64) -> Range<u64> {
        let begun = self.0.entry(name).or_default();
        // Shorter than before: an image of an earlier dump that is written anew.
        let start = if *begun > len { 0 } else { *begun };
        let is_little = len - start < LEAST;
        *begun = if is_little { start } else { len };
        start..*begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_file_is_begun_piece_by_piece() {
        let mut begun = Begun::default();
        let steps =
            [(10, 0..0), (LEAST, 0..LEAST), (LEAST + 10, LEAST..LEAST), (3 * LEAST, LEAST..3 * LEAST), (5, 0..0)];
        for (len, expected) in steps {
            assert_eq!(begun.next_range("pages-1.img".into(), len), expected, "{len} bytes");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let images = folder.path().join("checkpoint");
        let writeback = ImagesWriteback::begin(images.clone());
        fs::create_dir(&images).unwrap();
        fs::write(images.join("pages-1.img"), vec![1; 2 * LEAST as usize]).unwrap();
        thread::sleep(2 * PERIOD);
        drop(writeback);
    }
}
