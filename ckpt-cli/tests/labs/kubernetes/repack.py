"""Repacks podman's checkpoint as CRI-O and containerd lay theirs out: crio.tar and containerd.tar from podman.tar.

CRI-O: internal/lib/checkpoint.go, prepareCheckpointExport and exportCheckpoint. containerd:
internal/cri/server/container_checkpoint_linux.go, CheckpointContainer. CRIU's images are those of podman's checkpoint.
"""

import gzip
import io
import json
import os
import shutil
import subprocess
import tarfile

ID = "5e" * 32
IMAGE = "quay.io/team/app:1"
TIMES = {"createdTime": "2025-01-02T03:04:05Z", "checkpointedTime": "2025-01-02T03:05:05Z"}


def write(path, value):
    with open(path, "w") as file:
        json.dump(value, file, indent=2)


def repack(engine, annotations, config, files):
    shutil.copytree("podman", engine)
    for name in ["network.status", "ctr.log", "artifacts", "devshm-checkpoint.tar"]:
        shutil.rmtree(f"{engine}/{name}", ignore_errors=True)
        if os.path.exists(f"{engine}/{name}"):
            os.remove(f"{engine}/{name}")
    with open("podman/spec.dump") as file:
        spec = json.load(file)
    spec["annotations"] = annotations
    write(f"{engine}/spec.dump", spec)
    write(f"{engine}/config.dump", {"id": ID, "restored": False} | TIMES | config)
    files(engine)
    names = sorted(os.listdir(engine))
    subprocess.run(["tar", "-C", engine, "-cf", f"{engine}.tar"] + names, check=True)


def of_crio(folder):
    mount = {"source": "/etc/hosts", "destination": "/etc/hosts", "file_type": "file", "permissions": 0o644}
    write(f"{folder}/bind.mounts", [mount])
    for name in ["dump.log", "io.kubernetes.cri-o.LogPath"]:
        with open(f"{folder}/{name}", "w") as file:
            file.write("a line\n")


def of_containerd(folder):
    write(f"{folder}/status", {"Version": "v1", "Pid": 42})
    write(f"{folder}/status.dump", {"id": ID, "metadata": {"name": "app"}})
    with open(f"{folder}/container.log", "w") as file:
        file.write("a line\n")
    with open(f"{folder}/deleted.files") as file:
        deleted = json.load(file)
    os.remove(f"{folder}/deleted.files")
    layer = io.BytesIO()
    with tarfile.open(f"{folder}/rootfs-diff.tar") as old, tarfile.open(fileobj=layer, mode="w") as new:
        for member in old:
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
        for path in deleted:
            parent, name = os.path.split(path.lstrip("/"))
            new.addfile(tarfile.TarInfo(os.path.join(parent, ".wh." + name)))
        opaque = tarfile.TarInfo("srv/.wh..wh..opq")
        new.addfile(opaque)
    with open(f"{folder}/rootfs-diff.tar", "wb") as file:
        file.write(gzip.compress(layer.getvalue()))


os.mkdir("podman")
subprocess.run(["tar", "-C", "podman", "-xf", "podman.tar"], check=True)
repack(
    "crio",
    {
        "io.container.manager": "cri-o",
        "io.kubernetes.cri-o.Metadata": json.dumps({"name": "app"}),
        "io.kubernetes.cri-o.Annotations": "{}",
        "io.kubernetes.cri-o.Created": TIMES["createdTime"],
        "io.kubernetes.cri-o.IP.0": "10.0.0.7",
        "io.kubernetes.pod.name": "app-0",
        "io.kubernetes.pod.namespace": "shop",
    },
    {
        "name": "k8s_app_app-0_shop_uid_0",
        "rootfsImage": IMAGE,
        "rootfsImageRef": "ab" * 32,
        "rootfsImageName": IMAGE,
        "runtime": "runc",
    },
    of_crio,
)
repack(
    "containerd",
    {
        "io.kubernetes.cri.container-type": "container",
        "io.kubernetes.cri.container-name": "app",
        "io.kubernetes.cri.sandbox-name": "app-0",
        "io.kubernetes.cri.sandbox-namespace": "shop",
    },
    {
        "name": "app",
        "rootfsImage": "sha256:" + "cd" * 32,
        "rootfsImageRef": "quay.io/team/app@sha256:" + "cd" * 32,
        "rootfsImageName": IMAGE,
        "runtime": "io.containerd.runc.v2",
    },
    of_containerd,
)
