//! As many layers as containers/storage and the kernel take at most.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Result, ensure};
use layerfs::{ContainersStorage, Layers};
use support::carry;
use support::overlay::Mounted;
use support::{changes, shell, tree};

/// `maxDepth` of the overlay driver, `OVL_MAX_STACK` of the kernel.
const LAYERS: usize = 500;

/// A graph root with [`LAYERS`] layers of an image, 0 on top, and the layers of two containers. Every image layer has a
/// file of its own and one that hides that of the layers below.
fn make_store(graph_root: &Path) -> Result<()> {
    let overlay = graph_root.join("overlay");
    fs::create_dir_all(overlay.join("l"))?;
    let names: Vec<_> = (0..LAYERS).map(|number| format!("{number:03}")).collect();
    let lower = |from: usize| names[from..].iter().map(|name| format!("l/{name}")).collect::<Vec<_>>().join(":");
    let layers = names.iter().map(String::as_str).zip((1..=LAYERS).map(lower));
    for (name, lower) in layers.chain([("one", lower(0)), ("two", lower(0))]) {
        let layer = overlay.join(name);
        for folder in ["diff", "work", "merged"] {
            fs::create_dir_all(layer.join(folder))?;
        }
        symlink(format!("../{name}/diff"), overlay.join("l").join(name))?;
        fs::write(layer.join("link"), name)?;
        fs::write(layer.join("lower"), lower)?;
    }
    for name in &names {
        let diff = overlay.join(name).join("diff");
        fs::create_dir(diff.join("d"))?;
        fs::write(diff.join("d").join(name), name)?;
        fs::write(diff.join("shared"), name)?;
    }
    // In the middle, one is hidden, and a directory is new.
    shell(&overlay.join("250/diff"), "mknod d/400 c 0 0; mkdir e; echo e > e/e")?;
    shell(&overlay.join("100/diff"), "mkdir e; echo upper > e/upper")
}

/// As containers/storage mounts so many: by short links, from their folder.
fn mount(overlay: &Path, name: &str) -> Result<Mounted> {
    let lower = fs::read_to_string(overlay.join(name).join("lower"))?;
    std::env::set_current_dir(overlay)?;
    let options = format!("lowerdir={lower},upperdir={name}/diff,workdir={name}/work");
    Mounted::new(overlay.join(name).join("merged"), &options)
}

fn layers(graph_root: &Path, name: &str) -> Result<Layers> {
    let layers = ContainersStorage::new(graph_root, graph_root).layers_of(name)?;
    assert_eq!(layers.lowerdirs.len(), LAYERS);
    Ok(layers)
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_btrfs_five_hundred_layers_are_one_tree() -> Result<()> {
    let folder = tempfile::tempdir_in("/mnt/btrfs")?;
    let (graph_root, overlay) = (folder.path(), folder.path().join("overlay"));
    make_store(graph_root)?;
    {
        let mounted = mount(&overlay, "one")?;
        let script =
            "test \"$(cat shared d/000 d/499 e/upper e/e)\" = \"$(printf '000000499upper\\ne')\"; ! test -e d/400
            rm d/499 d/123; echo more >> shared; echo new > d/400; rm -r e; mkdir e; chmod 700 d; touch d/new";
        shell(mounted.path(), script)?;
    }
    let one = layers(graph_root, "one")?;
    let expected = ["P ", "P d", "D d/123", "P d/400", "D d/499", "P d/new", "P e", "D e/e", "D e/upper", "P shared"];
    assert_eq!(changes(&one)?, expected);

    let lowers = layerfs::Lowers::open(&one)?;
    let found = |path: &str| Ok::<_, anyhow::Error>(lowers.lookup(path.as_ref())?.map(|entry| entry.layer));
    assert_eq!(
        (found("d/499")?, found("shared")?, found("d/400")?, found("e/e")?),
        (Some(499), Some(0), None, Some(250))
    );

    // What another container on the same layers is made to show.
    let two = layers(graph_root, "two")?;
    carry::carry(&one, &two)?;
    let read = |name: &str| tree::read(mount(&overlay, name)?.path());
    let differences = tree::differences(&read("one")?, &read("two")?);
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}
