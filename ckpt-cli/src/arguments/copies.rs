//! `--count` and what goes with it: copies of a container.

use std::num::{NonZeroU32, NonZeroUsize};

use ckpt_core::restore::VolumeRule;
use ckpt_core::restore::copies::{CopiesOptions, Template};
use clap::{Args, ValueEnum};

use super::{TextFormat, count};
use crate::headings::COPIES;

#[derive(Args)]
#[command(next_help_heading = COPIES)]
pub(crate) struct CopiesArguments {
    /// What copies get for named volumes. Volumes without a name are copied in any case
    #[arg(long, value_enum, value_name = "RULE", default_value = "copy", requires = "count")]
    volumes: VolumesArgument,
    /// Tell each copy what it is: in /run/ckpt/clone.json it finds its name, number, ID, archive, and when it was made
    #[arg(long, requires = "count")]
    announce: bool,
    /// Run this in each copy, by its sh, before the copy counts as ready; where it fails, the copy has failed. It finds CKPT_NAME and CKPT_NUMBER in its environment
    #[arg(long, value_name = "COMMAND", requires = "count")]
    exec: Option<String>,
    /// How many copies are made at a time; two for each core by default
    #[arg(short, long, value_name = "N", requires = "count", value_parser = count::<NonZeroUsize>)]
    jobs: Option<NonZeroUsize>,
    /// If one copy fails, remove the others as well
    #[arg(long, requires = "count")]
    all_or_none: bool,
    /// Print a line for each copy, as text (name, ID, ports) or as a JSON object
    #[arg(long, value_enum, default_value = "text", requires = "count")]
    pub(crate) format: TextFormat,
}

/// See [`VolumeRule`].
#[derive(Clone, Copy, ValueEnum)]
enum VolumesArgument {
    /// Volumes of their own, with the files, called VOLUME-NAME after the volume and the copy
    Copy,
    /// The volumes that the container itself uses
    Share,
    /// Volumes of their own called VOLUME-NAME, as new
    Skip,
}

impl CopiesArguments {
    pub(crate) fn options(&self, count: NonZeroU32, name: Option<Template>, publish: Vec<Template>) -> CopiesOptions {
        CopiesOptions {
            name,
            publish,
            volumes: match self.volumes {
                VolumesArgument::Copy => VolumeRule::Copy,
                VolumesArgument::Share => VolumeRule::Share,
                VolumesArgument::Skip => VolumeRule::Skip,
            },
            announce: self.announce,
            exec: self.exec.clone(),
            jobs: self.jobs,
            all_or_none: self.all_or_none,
            ..CopiesOptions::new(count)
        }
    }
}
