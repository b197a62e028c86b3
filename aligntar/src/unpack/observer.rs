//! Reports of what could not be made as the archive has it.

use super::error::UnpackError;
use crate::shown::ShownName;

/// Hears of members that could not be made as the archive has them, while the others are made.
///
/// With threads, the reports need not come in the order of the archive.
pub trait UnpackObserver {
    /// Something is wrong with one member, which `error` names. If its owner, its mode, its times or an attribute could
    /// not be set, the member is there without that. Otherwise it is not there.
    ///
    /// # Errors
    /// Any error returned here ends the unpacking: return `error` itself to stop at the first, or after so many.
    fn failed(&mut self, error: UnpackError) -> Result<(), UnpackError>;

    /// The archive has members below its symbolic link `link`, and they are made in `target`, where the link leads.
    /// This is called once for each link. If a link is not followed, each member below it is a failure instead.
    fn followed(&mut self, link: ShownName, target: ShownName);
}
