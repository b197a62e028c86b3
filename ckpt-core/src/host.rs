//! The machine: processes, cgroups, programs, files, a run's own folder. It knows neither containers nor archives.
//!
//! | | modules |
//! |---|---|
//! | run programs | `programs` to their end, `child` at work; `processes` of others; `niceness` |
//! | wait | `interrupt` ends waits, `waiting` tells of long ones, `pipe` |
//! | files | `output`: a file that gets its name when it is whole; `lent`: descriptors of others; `session`: a run's own folder; `byte_path`, `byte_string` in JSON |
//! | freeze | `freezer` of cgroups; `frozen` with a guard that thaws; `standstill` of a container |

pub(crate) mod byte_path;
pub(crate) mod byte_string;
pub(crate) mod child;
pub(crate) mod freezer;
pub(crate) mod frozen;
pub mod interrupt;
pub mod lent;
pub(crate) mod link;
pub(crate) mod lock_holder;
pub(crate) mod niceness;
pub mod output;
pub(crate) mod pipe;
pub(crate) mod processes;
pub(crate) mod programs;
pub(crate) mod read_ahead;
pub(crate) mod read_only;
pub(crate) mod session;
pub(crate) mod standstill;
pub(crate) mod survivor;
pub(crate) mod waiting;
