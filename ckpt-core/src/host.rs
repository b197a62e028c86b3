//! The machine: processes, cgroups, programs, files, a run's own folder. It knows neither containers nor archives.

pub(crate) mod byte_path;
pub(crate) mod child;
pub(crate) mod freezer;
pub mod interrupt;
pub mod output;
pub(crate) mod pipe;
pub(crate) mod processes;
pub(crate) mod programs;
pub(crate) mod session;
pub(crate) mod waiting;
