//! The table: the floors of each crate, and what does not keep to them yet.

/// What holds for the modules of one crate.
pub(crate) struct Rules {
    pub(crate) root: &'static str,
    /// Modules at the crate's root, the highest floor first; each uses its own and lower ones. Empty: not divided.
    pub(crate) floors: &'static [&'static [&'static str]],
    /// Circles still to be cut, each with all its modules in the order of their names; `room::*` is a module at the
    /// crate's root with all that is below it. New ones fail, and so does one that is gone: delete it here.
    pub(crate) known_circles: &'static [&'static [&'static str]],
    /// Pairs of modules at the crate's root whose arrow still points up. The same goes for them.
    pub(crate) known_upward: &'static [(&'static str, &'static str)],
}

pub(crate) const ALIGNTAR: Rules = Rules {
    root: "aligntar/src/lib.rs",
    floors: &[],
    known_circles: &[
        &["header", "header::field"],
        &["pack", "pack::batch", "pack::walk"],
        &["pax", "pax::attributes", "pax::body", "pax::value"],
        &["unpack", "unpack::enter"],
        &["unpack::fill", "unpack::new_file"],
        &["writer", "writer::data"],
    ],
    known_upward: &[],
};

pub(crate) const LAYERFS: Rules =
    Rules { root: "layerfs/src/lib.rs", floors: &[], known_circles: &[], known_upward: &[] };

pub(crate) const CKPT_CORE: Rules = Rules {
    root: "ckpt-core/src/lib.rs",
    floors: &[
        &["checkpoint", "restore", "inspect", "diff", "doctor", "containers", "passthrough", "callback"],
        &["recovery"],
        &["container", "operand"],
        &["engine"],
        &["criu", "rootfs"],
        &["archive"],
        &["host"],
        &["progress"],
    ],
    known_circles: &[],
    known_upward: &[],
};

pub(crate) const CKPT_CLI: Rules = Rules {
    root: "ckpt-cli/src/main.rs",
    floors: &[
        &["commands"],
        &["archive", "podman", "progress", "statistics"],
        &["arguments", "messages", "names", "signals", "spool"],
    ],
    known_circles: &[],
    known_upward: &[],
};

pub(crate) const XTASK: Rules = Rules {
    root: "xtask/src/main.rs",
    floors: &[],
    known_circles: &[
        &["bench::diff", "bench::diff::results", "bench::diff::rounds", "bench::diff::table"],
        &["bench::freeze", "bench::freeze::results", "bench::freeze::rounds", "bench::freeze::table"],
        &["bench::memory", "bench::memory::results", "bench::memory::rounds", "bench::memory::table"],
        &["bench::seed", "bench::seed::results", "bench::seed::rounds", "bench::seed::table", "bench::seed::verdict"],
        &["bench::tree::contender", "bench::tree::plan"],
        &["bench::tree::results", "bench::tree::verdict"],
        &["lab", "lab::entry", "lab::images"],
    ],
    known_upward: &[],
};
