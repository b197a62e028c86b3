//! Which volumes a restored container gets, what they are called, and whether the archive's files go into them.

use std::io;

use super::identity::random_id;
use super::options::RestoreOptions;

use crate::archive::dumps::Dumps;
use crate::archive::{ContainerConfig, NamedVolume};

/// What the copies of a container get for its named volumes. Those without a name of their own are copied at any rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VolumeRule {
    /// Each copy gets volumes of its own, called `VOLUME-NAME` after the volume and the copy, with the files.
    #[default]
    Copy,
    /// All copies use the volumes that the container uses.
    Share,
    /// Each copy gets volumes of its own, which are as new: podman fills them from the image.
    Skip,
}

/// A volume to make and fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlannedVolume {
    /// What the archive calls it.
    pub(super) origin: String,
    pub(super) name: String,
    /// Whether it goes with its container; those podman makes with the container alone.
    pub(super) is_anonymous: bool,
    /// Whether it gets the archive's files.
    pub(super) is_filled: bool,
}

/// Those that the container had.
pub(super) fn as_before(options: &RestoreOptions, config: &ContainerConfig) -> Vec<PlannedVolume> {
    let volumes = config.volumes.iter().flatten().filter(|_| !options.ignore_volumes);
    let planned = |NamedVolume { name, is_anonymous, .. }: &NamedVolume| {
        let (origin, name) = (name.clone(), name.clone());
        PlannedVolume { origin, name, is_anonymous: *is_anonymous, is_filled: true }
    };
    volumes.map(planned).collect()
}

/// Those of the copy `copy`.
///
/// # Errors
/// If there are no random numbers for a name.
pub(super) fn of_copy(copy: &str, rule: VolumeRule, config: &ContainerConfig) -> io::Result<Vec<PlannedVolume>> {
    let mut planned: Vec<PlannedVolume> = Vec::new();
    for volume in config.volumes.iter().flatten() {
        let is_anonymous = volume.is_anonymous || is_made_up(&volume.name);
        if planned.iter().any(|planned| planned.origin == volume.name) || rule == VolumeRule::Share && !is_anonymous {
            continue;
        }
        let name = if is_made_up(&volume.name) { random_id()? } else { format!("{}-{copy}", volume.name) };
        let is_filled = is_anonymous || rule != VolumeRule::Skip;
        planned.push(PlannedVolume { origin: volume.name.clone(), name, is_anonymous, is_filled });
    }
    Ok(planned)
}

/// Has `dumps` name them.
pub(super) fn put_into(dumps: &mut Dumps, volumes: &[PlannedVolume]) {
    dumps.rename_volumes(|origin| {
        let volume = volumes.iter().find(|volume| volume.origin == origin && volume.name != origin)?;
        Some((volume.name.clone(), volume.is_anonymous))
    });
}

/// podman's name for a volume to which nobody gave one: 64 hexadecimal digits.
fn is_made_up(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_copy_has_a_volume_of_the_original_unless_it_is_to() {
        let made_up = "ab".repeat(32);
        let volume = |name: &str| serde_json::json!({"volumeName": name, "dest": "/data"});
        let config = serde_json::json!({"id": "", "name": "", "namedVolumes": [volume("data"), volume(&made_up)]});
        let config: ContainerConfig = serde_json::from_value(config).unwrap();
        for (rule, expected) in [
            (VolumeRule::Copy, vec![("data", true)]),
            (VolumeRule::Share, vec![]),
            (VolumeRule::Skip, vec![("data", false)]),
        ] {
            let planned = of_copy("web-3", rule, &config).unwrap();
            let (made, named): (Vec<_>, Vec<_>) = planned.into_iter().partition(|volume| volume.is_anonymous);
            let named: Vec<_> = named.iter().map(|volume| (&volume.origin[..], volume.is_filled)).collect();
            assert_eq!(named, expected, "{rule:?}");
            assert!(is_made_up(&made[0].name) && made[0].name != made_up && made[0].is_filled);
        }
        assert_eq!(of_copy("web-3", VolumeRule::Copy, &config).unwrap()[0].name, "data-web-3");
    }
}
