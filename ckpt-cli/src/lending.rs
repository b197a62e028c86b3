//! What a client of `ckpt serve` lends it: the files that a command line names are opened here, with this user's rights.

use std::fs::File;
use std::io::{self, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, ensure};
use ckpt_core::checkpoint::Export;
use ckpt_core::output::Output;
use ckpt_serve::MOST_DESCRIPTORS;

use crate::archive::saved::is_saved;

/// An image is no file that could be lent.
#[cfg(feature = "images")]
fn refuse_image(word: &Path) -> Result<()> {
    let image = crate::archive::image::parse_optional(word)?;
    ensure!(
        image.is_none(),
        "a service takes no images, only archives: pull {0} first, by ckpt pull {0}",
        word.display()
    );
    Ok(())
}

#[cfg(not(feature = "images"))]
fn refuse_image(_word: &Path) -> Result<()> {
    Ok(())
}

/// Descriptors, and what becomes of them here.
#[derive(Default)]
pub(crate) struct Lending {
    descriptors: Vec<OwnedFd>,
    /// In the order of the descriptors; those that have got their names are gone.
    outputs: Vec<Option<Output>>,
    /// Where each gets the name that the service says.
    is_folder: bool,
    /// Moves bytes between a pipe that was lent and what is no pipe.
    pump: Option<JoinHandle<io::Result<u64>>>,
}

impl Lending {
    /// New files: one, or `count` of them in a folder. Standard output is lent itself if it is a pipe.
    pub(crate) fn target(export: &Export, count: usize) -> Result<Self> {
        match export {
            Export::File(path) => Lending::files(path, 1, false),
            // What is not used gets no name.
            Export::Folder(folder) => Lending::files(&folder.join("archive"), count, true),
            _ => Lending::pipe(stdout().as_fd().try_clone_to_owned()?.into(), false),
        }
    }

    fn files(path: &Path, count: usize, is_folder: bool) -> Result<Self> {
        ensure!(count <= MOST_DESCRIPTORS, "a service takes {MOST_DESCRIPTORS} containers at a time");
        let outputs = (0..count).map(|_| Output::create(path)).collect::<Result<Vec<_>, _>>()?;
        let descriptors = outputs.iter().map(|output| output.file().as_fd().try_clone_to_owned());
        let descriptors = descriptors.collect::<io::Result<_>>().context("duplicate a descriptor")?;
        Ok(Lending { descriptors, outputs: outputs.into_iter().map(Some).collect(), is_folder, pump: None })
    }

    /// An archive to be read. A save is in the history: nothing is lent then.
    pub(crate) fn source(word: &Path) -> Result<Self> {
        if word == Path::new("-") {
            return Lending::pipe(stdin().as_fd().try_clone_to_owned()?.into(), true);
        }
        if is_saved(word) {
            return Ok(Lending::default());
        }
        refuse_image(word)?;
        let file = File::open(word).with_context(|| format!("open {}", word.display()))?;
        Ok(Lending { descriptors: vec![file.into()], ..Lending::default() })
    }

    /// The stream itself if it is a pipe, or is read from a file; else a pipe to it.
    fn pipe(mut stream: File, is_read: bool) -> Result<Self> {
        use std::os::unix::fs::FileTypeExt;
        let kind = stream.metadata().context("look at a standard stream")?.file_type();
        if kind.is_fifo() || is_read && kind.is_file() {
            return Ok(Lending { descriptors: vec![stream.into()], ..Lending::default() });
        }
        let (mut reader, mut writer) = io::pipe().context("make a pipe")?;
        let (lent, pump): (OwnedFd, _) = match is_read {
            true => (reader.into(), thread::spawn(move || io::copy(&mut stream, &mut writer))),
            false => (writer.into(), thread::spawn(move || io::copy(&mut reader, &mut stream))),
        };
        Ok(Lending { descriptors: vec![lent], pump: (!is_read).then_some(pump), ..Lending::default() })
    }

    /// Those to be sent.
    pub(crate) fn descriptors(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.descriptors)
    }

    /// Gives a file its name: in a folder, that is `name`.
    pub(crate) fn keep(&mut self, descriptor: usize, name: &str) -> Result<()> {
        let output = self.outputs.get_mut(descriptor).and_then(Option::take);
        let output = output.context("the service names a descriptor that it has not got")?;
        let output = match self.is_folder {
            true => output.renamed(PathBuf::from(name).as_os_str())?,
            false => output,
        };
        Ok(output.publish()?)
    }

    /// Waits for what is on its way to standard output.
    pub(crate) fn finish(self) -> Result<()> {
        drop(self.descriptors);
        match self.pump.map(JoinHandle::join) {
            Some(Ok(moved)) => moved.map(drop).context("write the archive to standard output"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(word: &str) -> Option<String> {
        Lending::source(Path::new(word)).err().map(|error| error.to_string())
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        assert_eq!(refused("/nowhere/oci:web").as_deref(), Some("open /nowhere/oci:web"));
    }

    #[cfg(feature = "images")]
    #[test]
    fn an_image_is_not_taken_for_a_file() {
        for image in ["oci:images:web", "docker://localhost:5000/web:1"] {
            assert!(refused(image).is_some_and(|words| words.ends_with(&format!("ckpt pull {image}"))), "{image}");
        }
    }
}
