//! The table: the floors of each crate. A module that is to be on another one moves here as well.

/// What holds for the modules of one crate.
pub(crate) struct Rules {
    pub(crate) root: &'static str,
    /// Modules at the crate's root, the highest floor first; each uses its own and lower ones.
    pub(crate) floors: &'static [&'static [&'static str]],
}

pub(crate) const ALIGNTAR: Rules = Rules {
    root: "aligntar/src/lib.rs",
    floors: &[
        &["pack", "unpack", "verify"],
        &["reader", "writer"],
        &["header", "parse", "pax", "sparse"],
        &["beneath", "compressed", "entry", "inode", "transfer"],
        &["acl", "align", "member", "safe_path", "shown", "source", "sys"],
    ],
};

pub(crate) const LAYERFS: Rules = Rules {
    root: "layerfs/src/lib.rs",
    floors: &[
        &["store"],
        &["containerd", "containers_storage", "docker", "mountinfo"],
        &["apply", "diff", "part"],
        &["lower", "layer_dirs", "storage_conf"],
        &["layers", "layer_file", "beneath"],
        &["access", "bounded_read", "ids", "overlay"],
    ],
};

pub(crate) const CKPT_CORE: Rules = Rules {
    root: "ckpt-core/src/lib.rs",
    floors: &[
        &[
            "create_image",
            "checkpoint",
            "push",
            "pull",
            "restore",
            "fork",
            "save",
            "history",
            "rollback",
            "prune",
            "inspect",
            "diff",
            "dedup",
            "doctor",
            "containers",
            "passthrough",
            "layer",
            "lazy",
            "memory",
            "callback",
        ],
        &["recovery"],
        &["container", "inside", "operand"],
        &["store"],
        &["engine", "retention"],
        &["criu", "image", "rootfs"],
        &["archive"],
        &["host"],
        &["progress"],
    ],
};

pub(crate) const CKPT_IMAGES: Rules = Rules {
    root: "ckpt-core/ckpt-images/src/lib.rs",
    floors: &[&["registry"], &["settings"], &["document", "reference"], &["digest", "growing"]],
};

pub(crate) const CRIU_IMAGES: Rules = Rules {
    root: "ckpt-core/criu-images/src/lib.rs",
    floors: &[&["message_image", "page_map"], &["image"], &["image_error"], &["framing", "messages"]],
};

pub(crate) const CRIU_PAGES: Rules = Rules {
    root: "ckpt-core/criu-pages/src/lib.rs",
    floors: &[
        &["page_server"],
        &["reserve"],
        &["keeper", "server"],
        &["answer", "restorer", "worker"],
        &["setup", "shared"],
        &["criu_message", "kill", "memory", "readers", "status"],
        &["deliver", "failure", "fuse", "journal"],
        &["checkpoint", "space"],
        &["runs", "sys"],
    ],
};

pub(crate) const CKPT_CLI: Rules = Rules {
    root: "ckpt-cli/src/main.rs",
    floors: &[
        &["completion", "remote", "served"],
        &["command_line"],
        &["manual", "schemas"],
        &["commands"],
        &["files", "lending"],
        &["archive", "copies", "podman", "progress", "statistics"],
        &["json", "logging", "table"],
        &["arguments", "arrived", "messages", "names", "signals", "spool"],
        &["color", "noted"],
        &["headings"],
    ],
};

pub(crate) const XTASK: Rules = Rules {
    root: "xtask/src/main.rs",
    floors: &[&["ci"], &["book", "demo", "test"], &["bench", "dist", "fuzz", "page"], &["lab"], &["cargo"]],
};

pub(crate) const CKPT_SERVE: Rules = Rules {
    root: "ckpt-cli/ckpt-serve/src/lib.rs",
    floors: &[
        &["server"],
        &["connection", "listen"],
        &["checkpoint", "command", "restore"],
        &["calls", "client", "export", "import", "note", "service", "task", "worker"],
        &["proxy"],
        &["answer", "relay", "terminal", "upstream"],
        &["caller", "metrics"],
        &["body", "operations", "query", "wire"],
        &["descriptors"],
        &["protocol"],
        &["outcome", "sys"],
    ],
};
