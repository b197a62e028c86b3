//! The privileges one by one.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// Something that a container of podman has not got by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Privilege {
    /// Runs a program as root, outside of the container.
    HostProgram {
        /// When, or by which field.
        when: String,
        /// The program and its arguments, or its configuration.
        command: String,
    },
    /// Writes or removes a file outside of the container.
    HostFile {
        /// The field that says so.
        field: String,
        /// The file.
        path: String,
    },
    /// All rights at once, by podman's `--privileged`.
    Privileged,
    /// A directory or a file system of the host.
    HostMount {
        /// On the host.
        source: String,
        /// In the container.
        destination: String,
        /// Whether the container can write there.
        read_only: bool,
        /// As the specification has them; `U`, `z` and `Z` change owners and labels of all files below the source.
        options: Vec<String>,
    },
    /// A device of the host.
    Device {
        /// In the container, or on the host.
        path: String,
        /// Kind and numbers, where they are known: `c 1:3`.
        number: String,
    },
    /// All devices of the host.
    AllDevices,
    /// Capabilities beyond podman's default.
    Capabilities {
        /// Their names.
        names: Vec<String>,
    },
    /// A namespace of the host, or of another process or container.
    Namespace {
        /// Its type.
        namespace: String,
        /// Whose it is.
        of: String,
    },
    /// Without a security module or filter that other containers here have.
    Unconfined {
        /// Which.
        missing: String,
    },
    /// Kernel settings in /proc or /sys that are hidden, or not writable, in other containers.
    Unmasked {
        /// Their paths.
        paths: Vec<String>,
    },
    /// A secret of this host.
    Secret {
        /// Its name.
        name: String,
    },
    /// A kernel parameter.
    Sysctl {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A limit of resources.
    Rlimit {
        /// Its name.
        name: String,
        /// Soft and hard limit.
        soft: u64,
        /// The latter.
        hard: u64,
    },
    /// A port of the host.
    Port {
        /// As `podman run -p` takes it.
        port: String,
    },
    /// A place in the tree of cgroups that is not podman's.
    Cgroup {
        /// The parent.
        parent: String,
    },
    /// An annotation or option that runtimes, hooks or network programs act upon.
    Option {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
}

impl Privilege {
    /// Whether the restore itself, not only the container, acts on the host.
    pub fn is_hazard(&self) -> bool {
        matches!(self, Privilege::HostProgram { .. } | Privilege::HostFile { .. })
    }

    /// A word for it.
    pub fn title(&self) -> &'static str {
        match self {
            Privilege::HostProgram { .. } => "runs on the host",
            Privilege::HostFile { .. } => "writes on the host",
            Privilege::Privileged => "privileged",
            Privilege::HostMount { .. } => "host mount",
            Privilege::Device { .. } | Privilege::AllDevices => "device",
            Privilege::Capabilities { .. } => "capabilities",
            Privilege::Namespace { .. } => "namespace",
            Privilege::Unconfined { .. } => "unconfined",
            Privilege::Unmasked { .. } => "unmasked",
            Privilege::Secret { .. } => "secret",
            Privilege::Sysctl { .. } => "sysctl",
            Privilege::Rlimit { .. } => "limit",
            Privilege::Port { .. } => "port",
            Privilege::Cgroup { .. } => "cgroup",
            Privilege::Option { .. } => "option",
        }
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Privilege::HostProgram { when, command } => write!(f, "{command} ({when})"),
            Privilege::HostFile { field, path } => write!(f, "{path} ({field})"),
            Privilege::Privileged => f.write_str("all capabilities, devices and kernel settings"),
            Privilege::HostMount { source, destination, read_only, options } => {
                let access = if *read_only { "read-only" } else { "read-write" };
                write!(f, "{source} → {destination}, {access}")?;
                match options.iter().any(|option| matches!(option.as_str(), "U" | "z" | "Z")) {
                    true => f.write_str(", changes owners or labels there"),
                    false => Ok(()),
                }
            }
            Privilege::Device { path, number } => write!(f, "{path} {number}"),
            Privilege::AllDevices => f.write_str("all of the host"),
            Privilege::Capabilities { names } => f.write_str(&names.join(" ")),
            Privilege::Namespace { namespace, of } => write!(f, "{namespace} of {of}"),
            Privilege::Unconfined { missing } => write!(f, "no {missing}"),
            Privilege::Unmasked { paths } => f.write_str(&paths.join(" ")),
            Privilege::Secret { name } => f.write_str(name),
            Privilege::Sysctl { name, value } | Privilege::Option { name, value } => write!(f, "{name}={value}"),
            Privilege::Rlimit { name, soft, hard } => write!(f, "{name}={soft}:{hard}"),
            Privilege::Port { port } => f.write_str(port),
            Privilege::Cgroup { parent } => f.write_str(parent),
        }
    }
}
