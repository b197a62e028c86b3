//! A containers/storage store made by hand, without any right.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Result;
use layerfs::{Container, ContainersStorage, ContainersStorageError, IdMap, LayerDirError, LayerStore, StorageConf};
use tempfile::TempDir;

/// A graph root with a container `web` on two image layers, and a store with one more layer.
struct Store {
    dir: TempDir,
}

impl Store {
    fn new() -> Result<Self> {
        let store = Self { dir: tempfile::tempdir()? };
        store.layer("graph", "base", "BASE", "")?;
        store.layer("graph", "mid", "MID", "l/BASE")?;
        store.layer("graph", "web-layer", "WEB", "l/MID:l/BASE")?;
        store.write("graph/overlay-containers/containers.json", &record("web-id", "web", "web-layer"))?;
        store.write("graph/overlay-images/images.json", &record("image-id", "localhost/base:latest", "mid"))?;
        Ok(store)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        Ok(fs::write(path, content)?)
    }

    fn layer(&self, root: &str, id: &str, link: &str, lower: &str) -> Result<()> {
        let overlay = self.path(root).join("overlay");
        for dir in ["diff", "work", "merged"] {
            fs::create_dir_all(overlay.join(id).join(dir))?;
        }
        fs::create_dir_all(overlay.join("l"))?;
        fs::write(overlay.join(id).join("link"), link)?;
        symlink(format!("../{id}/diff"), overlay.join("l").join(link))?;
        if !lower.is_empty() {
            fs::write(overlay.join(id).join("lower"), lower)?;
        }
        Ok(())
    }

    fn storage(&self) -> ContainersStorage {
        ContainersStorage::new(self.path("graph"), self.path("run"))
    }

    fn conf(&self) -> StorageConf {
        StorageConf { graph_root: self.path("graph"), run_root: self.path("run"), ..StorageConf::default() }
    }

    fn diffs(&self, names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(|name| self.path(name).join("diff")).collect()
    }
}

fn record(id: &str, name: &str, layer: &str) -> String {
    format!(r#"[{{"id":"{id}","names":["{name}"],"image":"image-id","layer":"{layer}"}}]"#)
}

#[test]
fn a_container_is_found_by_name_and_id_alone() -> Result<()> {
    let store = Store::new()?;
    let storage = store.storage();
    let web = Container {
        id: "web-id".into(),
        names: vec!["web".into()],
        layer: "web-layer".into(),
        image: "image-id".into(),
        ids: IdMap::default(),
    };
    assert_eq!(storage.container("web")?.as_ref(), Some(&web));
    assert_eq!(storage.container("web-id")?.as_ref(), Some(&web));
    assert_eq!(storage.container("we")?, None);
    assert_eq!(storage.containers()?, std::slice::from_ref(&web));
    assert_eq!(storage.userdata_dir(&web), store.path("graph/overlay-containers/web-id/userdata"));
    Ok(())
}

#[test]
fn volatile_containers_are_found_where_the_store_keeps_them() -> Result<()> {
    let store = Store::new()?;
    store.write("graph/overlay-containers/volatile-containers.json", &record("rm-id", "rm", "web-layer"))?;
    store.write("run/overlay-containers/volatile-containers.json", &record("gone-id", "gone", "web-layer"))?;
    assert!(store.storage().container("rm")?.is_some());
    assert!(store.storage().container("gone")?.is_none());
    let transient = ContainersStorage::with_conf(StorageConf { transient_store: true, ..store.conf() });
    assert!(transient.container("gone")?.is_some());
    Ok(())
}

#[test]
fn layers_come_top_first_by_id_and_by_mount_point() -> Result<()> {
    let store = Store::new()?;
    let layers = store.storage().layers_of("web-layer")?;
    assert_eq!(layers.upperdir, store.path("graph/overlay/web-layer/diff"));
    assert_eq!(layers.workdir, Some(store.path("graph/overlay/web-layer/work")));
    assert_eq!(layers.lowerdirs, store.diffs(&["graph/overlay/mid", "graph/overlay/base"]));
    let merged = store.path("graph/overlay/web-layer/merged");
    assert_eq!(layers.merged.as_ref(), Some(&merged));
    assert_eq!(store.storage().layers_at(&merged)?, layers);
    for other in ["graph/overlay/web-layer/diff", "graph/overlay/web-layer", "elsewhere/merged"] {
        let answer = store.storage().layers_at(&store.path(other));
        assert!(matches!(answer, Err(ContainersStorageError::NotAMountPoint { .. })), "{other}");
    }
    Ok(())
}

#[test]
fn a_lost_link_is_found_by_the_link_files() -> Result<()> {
    let store = Store::new()?;
    fs::remove_file(store.path("graph/overlay/l/MID"))?;
    let layers = store.storage().layers_of("web-layer")?;
    assert_eq!(layers.lowerdirs, store.diffs(&["graph/overlay/mid", "graph/overlay/base"]));
    fs::remove_dir_all(store.path("graph/overlay/mid"))?;
    let answer = store.storage().layers_of("web-layer");
    assert!(
        matches!(answer, Err(ContainersStorageError::Layers(LayerDirError::NoLowerLayer { entry, .. })) if entry == "l/MID")
    );
    Ok(())
}

#[test]
fn layers_and_images_of_other_stores_are_found() -> Result<()> {
    let store = Store::new()?;
    store.layer("more", "shared", "SHARED", "")?;
    store.write("more/overlay-images/images.json", &record("more-id", "localhost/more:latest", "shared"))?;
    store.layer("graph", "on-shared", "ON", "l/SHARED")?;
    assert!(matches!(
        store.storage().layers_of("on-shared"),
        Err(ContainersStorageError::Layers(LayerDirError::NoLowerLayer { .. }))
    ));
    let conf = StorageConf { additional_image_stores: vec![store.path("more")], ..store.conf() };
    let storage = ContainersStorage::with_conf(conf);
    assert_eq!(storage.layers_of("on-shared")?.lowerdirs, store.diffs(&["more/overlay/shared"]));
    let image = storage.image("localhost/more:latest")?;
    assert_eq!(image.and_then(|image| image.layer).as_deref(), Some("shared"));
    assert!(storage.image("localhost/base:latest")?.is_some());
    assert!(storage.image("base")?.is_none());
    let image_store =
        ContainersStorage::with_conf(StorageConf { image_store: Some(store.path("more")), ..store.conf() });
    assert_eq!(image_store.layers_of("on-shared")?.lowerdirs, store.diffs(&["more/overlay/shared"]));
    Ok(())
}

#[test]
fn a_diff_may_be_a_link_into_another_store() -> Result<()> {
    let store = Store::new()?;
    let elsewhere = store.path("layer-store/base");
    fs::create_dir_all(&elsewhere)?;
    fs::remove_dir(store.path("graph/overlay/base/diff"))?;
    symlink(&elsewhere, store.path("graph/overlay/base/diff"))?;
    let layers = store.storage().layers_of("web-layer")?;
    assert_eq!(layers.lowerdirs[1], elsewhere.canonicalize()?);
    Ok(())
}

#[test]
fn a_layer_without_parent_lies_over_an_empty_one() -> Result<()> {
    let store = Store::new()?;
    assert_eq!(store.storage().layers_of("base")?.lowerdirs, [store.path("graph/overlay/base/empty")]);
    Ok(())
}

#[test]
fn stores_of_another_kind_are_refused_by_name() -> Result<()> {
    let store = Store::new()?;
    let layers = |conf: StorageConf| ContainersStorage::with_conf(conf).layers_of("web-layer");
    let vfs = layers(StorageConf { driver: Some("vfs".into()), ..store.conf() });
    assert!(matches!(vfs, Err(ContainersStorageError::Driver { driver }) if driver == "vfs"));
    let fuse = layers(StorageConf { mount_program: Some("/bin/fuse-overlayfs".into()), ..store.conf() });
    assert!(matches!(fuse, Err(ContainersStorageError::MountProgram { .. })));
    store.write("graph/overlay/mid/composefs-data/composefs.blob", "")?;
    assert!(
        matches!(layers(store.conf()), Err(ContainersStorageError::Layers(LayerDirError::Composefs { layer })) if layer == "mid")
    );

    let empty = tempfile::tempdir()?;
    let none = ContainersStorage::new(empty.path(), empty.path());
    assert!(matches!(none.layers_of("x"), Err(ContainersStorageError::NoStore { .. })));
    fs::create_dir(empty.path().join("btrfs-layers"))?;
    assert!(matches!(none.layers_of("x"), Err(ContainersStorageError::Driver { driver }) if driver == "btrfs"));
    Ok(())
}

/// A driver is recognised by its folders alone; a name that no driver has is no container.
#[test]
fn containers_of_other_drivers_are_refused_by_name() -> Result<()> {
    for driver in ["vfs", "btrfs", "zfs"] {
        let store = Store::new()?;
        store.write(&format!("graph/{driver}-layers/layers.json"), "[]")?;
        store.write(&format!("graph/{driver}-containers/containers.json"), &record("f-id", "foreign", "f"))?;
        for chosen in [None, Some(driver.to_owned())] {
            let storage = ContainersStorage::with_conf(StorageConf { driver: chosen, ..store.conf() });
            for name in ["foreign", "f-id"] {
                let answer = storage.container(name);
                assert!(matches!(answer, Err(ContainersStorageError::Driver { driver: found }) if found == driver));
            }
            let answer = storage.layers_at(&store.path("graph").join(driver).join("dir/f"));
            assert!(matches!(
                answer,
                Err(ContainersStorageError::Driver { driver: found }) if found == driver
            ));
            assert!(storage.container("web")?.is_some());
            assert_eq!(storage.container("nobody")?, None);
        }
        let overlay = ContainersStorage::with_conf(StorageConf { driver: Some("overlay".into()), ..store.conf() });
        assert_eq!(overlay.container("foreign")?, None);
    }
    Ok(())
}

#[test]
fn ids_that_are_paths_are_refused() -> Result<()> {
    let store = Store::new()?;
    for id in ["", ".", "..", "../overlay/mid", "/etc", "mid/diff", "l"] {
        let answer = store.storage().layers_of(id);
        assert!(matches!(answer, Err(ContainersStorageError::Layers(LayerDirError::BadLayerId { .. }))), "{id}");
    }
    assert!(matches!(
        store.storage().layers_of("none"),
        Err(ContainersStorageError::Layers(LayerDirError::NoLayer { .. }))
    ));
    assert!(Path::new(&store.path("graph/overlay/l")).exists());
    Ok(())
}
