//! A real dockerd of the distribution, with a container made, changed and looked at.

use std::fs;
use std::path::Path;

use crate::docker::Docker;
use crate::lab::*;

#[test]
#[ignore = "needs Docker: cargo xtask test"]
fn dockers_containers_are_found_running_and_stopped() {
    let docker = Docker::start(&[]);
    docker.import_image();
    let change = "echo two >> /etc/group; rm -r /d; mkdir /d; touch /d/new; touch /done; sleep 1000";
    docker.docker(&["run", "--detach", "--name", "web", "--network=none", "image", "sh", "-c", change]);
    let upper = docker.layer_dirs("UpperDir");
    wait_for("the container has changed its files", || upper.join("done").exists().then_some(()));

    let expected = "C              /d\nA            0 /d/new\nD            0 /d/old\nA            0 /done\n\
                    C              /etc\nC            8 /etc/group";
    assert_eq!(ckpt(&["diff", "web"]), expected);
    // Nothing that Docker lists is missing.
    for line in docker.docker(&["diff", "web"]).lines() {
        let (letter, path) = line.split_at(2);
        assert!(expected.lines().any(|ours| ours.starts_with(letter) && ours.ends_with(&format!(" {path}"))), "{line}");
    }
    let merged = docker.layer_dirs("MergedDir");
    assert_eq!(ckpt(&["diff", text(&merged)]), expected);
    let pid = docker.docker(&["inspect", "--format", "{{.State.Pid}}", "web"]);
    assert_eq!(ckpt(&["diff", "--pid", pid.trim(), "/"]), expected);

    let layers: serde_json::Value = serde_json::from_str(&ckpt(&["layers", "web", "--format", "json"])).unwrap();
    assert_eq!(layers["store"], "docker overlay2");
    assert_eq!(layers["upperdir"].as_str().map(Path::new), Some(upper.as_path()));
    let lowers: Vec<_> = layers["lowerdirs"].as_array().unwrap().iter().map(|dir| dir.as_str().unwrap()).collect();
    assert_eq!(lowers.join(":"), docker.layer_dirs("LowerDir").to_str().unwrap());

    let id = docker.docker(&["inspect", "--format", "{{.Id}}", "web"]);
    docker.docker(&["stop", "--time=0", "web"]);
    assert_eq!(ckpt(&["diff", id.trim()]), expected);
}

/// With a user namespace for all of its containers, Docker keeps them in a folder of their own, owners shifted.
#[test]
#[ignore = "needs Docker: cargo xtask test"]
fn btrfs_dockers_remapped_containers_are_found() {
    let first = 500_000;
    if !fs::read_to_string("/etc/passwd").unwrap().contains("dockremap") {
        succeed("useradd", &["--system", "dockremap"]);
        for file in ["/etc/subuid", "/etc/subgid"] {
            let lines = fs::read_to_string(file).unwrap_or_default();
            fs::write(file, format!("{lines}dockremap:{first}:65536\n")).unwrap();
        }
    }
    let docker = Docker::start(&["--userns-remap=default"]);
    docker.import_image();
    let change = "rm -r /d; mkdir /d; touch /d/new; touch /done; sleep 1000";
    docker.docker(&["run", "--detach", "--name", "web", "--network=none", "image", "sh", "-c", change]);
    let upper = docker.layer_dirs("UpperDir");
    assert!(upper.starts_with(docker.folder.path().join(format!("data/{first}.{first}"))), "{upper:?}");
    wait_for("the container has changed its files", || upper.join("done").exists().then_some(()));

    let expected = "C              /d\nA            0 /d/new\nD            0 /d/old\nA            0 /done";
    assert_eq!(ckpt(&["diff", "web"]), expected);
    assert_eq!(ckpt(&["diff", text(&docker.layer_dirs("MergedDir"))]), expected);
    let ckpt_core::operand::Operand::Layers { layers, .. } = ckpt_core::operand::Operand::find("web").unwrap() else {
        panic!("not a container");
    };
    let stored = fs::metadata(upper.join("done")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&stored), first);
    assert_eq!(layers.ids.owner_in_container((first, first + 7)), (0, 7));
    assert!(layers.lower_ids.iter().all(|ids| *ids == layers.ids) && layers.lower_ids.len() == layers.lowerdirs.len());
}
