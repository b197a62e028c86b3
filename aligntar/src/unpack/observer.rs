//! Who is told what did not go as the archive has it.

use super::error::UnpackError;
use crate::shown::ShownName;

/// Hears of members that could not be made, or not as the archive has them, while the others are made.
///
/// With threads it hears of them as that comes to light, which need not be their order in the archive.
pub trait UnpackObserver {
    /// What is wrong with one member, which `error` names. It is not there then, or, if it is an owner, an attribute, a
    /// mode or times that could not be given to it, it is there without that.
    ///
    /// # Errors
    /// The error that ends the unpacking, `error` for one: who wants to hear of the first alone, or of so many.
    fn failed(&mut self, error: UnpackError) -> Result<(), UnpackError>;

    /// The archive has members below the symbolic link `link`, which leads to `target`: they are made there. That is told
    /// once for each link, and not of links that are not followed: then each of those members has failed.
    fn followed(&mut self, link: ShownName, target: ShownName);
}
