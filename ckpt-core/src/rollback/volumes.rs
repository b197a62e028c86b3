//! The named volumes that a restore makes, and that are there still.

use super::error::RollbackError;
use crate::archive::ContainerConfig;
use crate::engine::Engine;

/// Names of the volumes of the container in the archive that are there. They are about to be removed, and made anew with
/// their files of then.
///
/// # Errors
/// If one has to stay: another container than `id` uses it, or the archive does not have what it is.
pub(super) fn in_the_way(
    engine: &dyn Engine,
    config: &ContainerConfig,
    id: Option<&str>,
) -> Result<Vec<String>, RollbackError> {
    let mut names: Vec<String> = Vec::new();
    for name in config.volume_names() {
        if names.iter().any(|known| known == name) {
            continue;
        }
        let Some(volume) = engine.volume_optional(name)? else { continue };
        if volume.is_special() {
            return Err(RollbackError::SpecialVolume { name: name.to_owned() });
        }
        let others = engine.users_of_volume(name)?;
        if let Some(user) = others.into_iter().find(|user| Some(&user[..]) != id) {
            return Err(RollbackError::UsedVolume { name: name.to_owned(), user });
        }
        names.push(name.to_owned());
    }
    Ok(names)
}
