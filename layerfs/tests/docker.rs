//! Docker's store made by hand, without any right.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use layerfs::{DockerError, DockerOverlay2, LayerStore};
use tempfile::TempDir;

/// A data root with a container `web` on one image layer and Docker's own `-init` layer.
fn store() -> Result<TempDir> {
    let dir = tempfile::tempdir()?;
    for (id, link, lower) in [("image", "IMAGE", ""), ("m-init", "INIT", "l/IMAGE"), ("m", "M", "l/INIT:l/IMAGE")] {
        let layer = dir.path().join("overlay2").join(id);
        fs::create_dir_all(layer.join("diff"))?;
        fs::write(layer.join("link"), link)?;
        fs::write(layer.join("lower"), lower)?;
    }
    container(dir.path(), "aa", "/web", "overlay2")?;
    let mounts = dir.path().join("image/overlay2/layerdb/mounts/aa");
    fs::create_dir_all(&mounts)?;
    fs::write(mounts.join("mount-id"), "m")?;
    Ok(dir)
}

fn container(root: &Path, id: &str, name: &str, driver: &str) -> Result<()> {
    let folder = root.join("containers").join(id);
    fs::create_dir_all(&folder)?;
    let json = format!(r#"{{"StreamConfig":{{}},"ID":"{id}","Name":"{name}","Driver":"{driver}","Config":null}}"#);
    Ok(fs::write(folder.join("config.v2.json"), json)?)
}

#[test]
fn a_container_is_found_by_name_and_id_alone() -> Result<()> {
    let dir = store()?;
    let docker = DockerOverlay2::new(dir.path());
    let web = docker.container("web")?;
    assert!(web.as_ref().is_some_and(|web| web.id == "aa"));
    assert_eq!(docker.container("aa")?, web);
    for other in ["we", "a", "/web", "..", "", "containers/aa"] {
        assert_eq!(docker.container(other)?, None, "{other}");
    }
    assert_eq!(DockerOverlay2::new(dir.path().join("none")).container("web")?, None);
    Ok(())
}

#[test]
fn layers_come_top_first_without_links() -> Result<()> {
    let dir = store()?;
    let docker = DockerOverlay2::new(dir.path());
    let Some(web) = docker.container("web")? else { anyhow::bail!("no container") };
    let layers = docker.layers_of(&web)?;
    let diff = |id: &str| -> PathBuf { dir.path().join("overlay2").join(id).join("diff") };
    assert_eq!(layers.upperdir, diff("m"));
    assert_eq!(layers.lowerdirs, [diff("m-init"), diff("image")]);
    assert_eq!(docker.layers_at(&dir.path().join("overlay2/m/merged"))?, layers);
    let answer = docker.layers_at(&dir.path().join("overlay2/m/diff"));
    assert!(matches!(answer, Err(DockerError::NotAMountPoint { .. })));
    Ok(())
}

#[test]
fn other_drivers_and_damage_are_named() -> Result<()> {
    let dir = store()?;
    let docker = DockerOverlay2::new(dir.path());
    for driver in ["overlayfs", "btrfs", "vfs", "fuse-overlayfs"] {
        container(dir.path(), "bb", "/other", driver)?;
        let Some(other) = docker.container("other")? else { anyhow::bail!("no container") };
        assert!(matches!(docker.layers_of(&other), Err(DockerError::Driver { driver: named, .. }) if named == driver));
    }
    container(dir.path(), "cc", "/lost", "overlay2")?;
    let Some(lost) = docker.container("lost")? else { anyhow::bail!("no container") };
    assert!(matches!(docker.layers_of(&lost), Err(DockerError::NoMountId { container, .. }) if container == "cc"));
    fs::write(dir.path().join("containers/cc/config.v2.json"), "{")?;
    assert!(matches!(docker.container("lost"), Err(DockerError::Json { .. })));
    Ok(())
}

#[test]
fn remapped_containers_are_found_and_shifted() -> Result<()> {
    let dir = store()?;
    let remapped = dir.path().join("100000.200000");
    for (id, name, mode) in [("dd", "/shifted", ""), ("ee", "/not", "host")] {
        fs::create_dir_all(remapped.join("overlay2").join(id).join("diff"))?;
        container(&remapped, id, name, "overlay2")?;
        fs::write(
            remapped.join("containers").join(id).join("hostconfig.json"),
            format!(r#"{{"UsernsMode":"{mode}"}}"#),
        )?;
        let mounts = remapped.join("image/overlay2/layerdb/mounts").join(id);
        fs::create_dir_all(&mounts)?;
        fs::write(mounts.join("mount-id"), id)?;
    }
    let docker = DockerOverlay2::new(dir.path());
    let layers = |name: &str| match docker.container(name)? {
        Some(container) => Ok(docker.layers_of(&container)?),
        None => anyhow::bail!("no container {name}"),
    };
    let shifted = layers("shifted")?;
    assert_eq!(shifted.upperdir, remapped.join("overlay2/dd/diff"));
    assert_eq!(shifted.ids.owner_in_container((100_005, 200_006)), (5, 6));
    assert_eq!(shifted.lower_ids, std::slice::from_ref(&shifted.ids));
    assert!(layers("not")?.ids.is_identity() && layers("not")?.lower_ids.is_empty());
    assert_eq!(layers("web")?.upperdir, dir.path().join("overlay2/m/diff"));
    assert_eq!(docker.layers_at(&remapped.join("overlay2/dd/merged"))?, shifted);
    assert_eq!(docker.layers_at(&remapped.join("overlay2/ee/merged"))?, layers("not")?);
    Ok(())
}
