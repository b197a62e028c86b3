//! What an archive would be allowed to do on the host where it is restored.
//!
//! Which file decides was found by changing them and watching podman 5.4.2 restore the archive, and start the container
//! once more, where mounts, devices and hooks take effect that CRIU's images do not have:
//!
//! | said in | podman believes | podman puts its own in place of |
//! |---|---|---|
//! | `spec.dump` | mounts, devices, capabilities, namespaces, seccomp, masked paths, sysctls, rlimits, annotations, hooks | `root`, the cgroup's path, /dev/shm, /etc/{hosts,hostname,resolv.conf}, /run/.containerenv, /run/secrets |
//! | `config.dump` | PID files, runtime, health log, overlay volumes, all devices, ports, network mode, cgroup parent, secrets, time zone, mounts to take away at the end | `spec`, `staticDir`, `ShmDir`, `logPath`, `secretsPath` |
//!
//! The question is put to what podman gets, see `archive::dumps`. Where things lay in the store that a container comes
//! from is no privilege.
//!
//! CRIU's images are not looked into. They say with which rights the processes go on. Only the trust in who wrote them
//! covers that, see [`TrustError`](crate::restore::TrustError).

mod config;
mod host;
mod privilege;
mod spec;

use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::dumps::Dumps;
use crate::archive::{ArchiveError, CONFIG_DUMP, SPEC_DUMP};
use config::Config;
pub(crate) use config::Forgery;
pub(crate) use host::Host;
pub use privilege::Privilege;
use spec::Spec;

/// A privilege, and the member of the archive that grants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Granted {
    /// `config.dump` or `spec.dump`.
    pub by: &'static str,
    /// What it grants.
    #[serde(flatten)]
    pub privilege: Privilege,
}

/// All that the container would be allowed on `host` beyond an ordinary one; none in most.
pub(crate) fn of(dumps: &Dumps, host: &Host) -> Result<Vec<Granted>, ArchiveError> {
    let (config, spec): (Config, Spec) = (dumps.config()?, dumps.spec()?);
    let granted = |by| move |privilege| Granted { by, privilege };
    let by_config = config.privileges(host).into_iter().map(granted(CONFIG_DUMP));
    let by_spec = spec.privileges(&config, host).into_iter().map(granted(SPEC_DUMP));
    Ok(by_config.chain(by_spec).collect())
}

/// What no podman has ever written, and would do harm.
pub(crate) fn forgery(dumps: &Dumps) -> Result<Option<Forgery>, ArchiveError> {
    let (config, spec): (Config, Spec) = (dumps.config()?, dumps.spec()?);
    Ok(config.forgery().or_else(|| spec.forgery()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const HOST: &str = "/run/containers/storage";

    fn dumps(config: &Value, spec: &Value) -> Dumps {
        let read = |value: &Value| crate::archive::go_json::from_slice(value.to_string().as_bytes()).unwrap();
        Dumps::for_this_host("x.tar".as_ref(), read(config), read(spec))
    }

    fn privileges(config: &Value, spec: &Value) -> Vec<String> {
        let granted = of(&dumps(config, spec), &Host { selinux: false, apparmor: false }).unwrap();
        granted.into_iter().map(|Granted { privilege, .. }| format!("{}: {privilege}", privilege.title())).collect()
    }

    /// As podman 5.4.2 wrote them for `podman run -v vol:/data IMAGE`, shortened.
    fn ordinary() -> (Value, Value) {
        let userdata = format!("{HOST}/overlay-containers/{}/userdata", "a".repeat(64));
        let config = json!({
            "conmonPidFile": format!("{userdata}/conmon.pid"), "pid_file": format!("{userdata}/pidfile"),
            "runtime": "crun", "createNetNS": true, "cgroupParent": "/libpod_parent", "healthLogDestination": "local",
            "mounts": [format!("/var/lib/containers/storage/overlay-containers/{}/userdata/shm", "a".repeat(64))],
            "namedVolumes": [{"volumeName": "vol", "dest": "/data", "options": ["rw", "rbind"]}],
            "healthcheck": null, "Dependencies": null, "portMappings": null
        });
        let spec = json!({
            "process": {
                "capabilities": {"bounding": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"]},
                "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1048576, "soft": 1048576}]
            },
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]},
                {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
                {"destination": "/etc/hosts", "type": "bind", "source": format!("{userdata}/hosts"), "options": ["bind"]},
                {"destination": "/data", "type": "bind", "source": "/graph/volumes/vol/_data", "options": ["rbind"]}
            ],
            "annotations": {"io.container.manager": "libpod", "org.systemd.property.KillSignal": "15", "a.b": "c"},
            "linux": {
                "sysctl": {"net.ipv4.ping_group_range": "0 0"},
                "resources": {"devices": [{"allow": false, "access": "rwm"}]},
                "namespaces": [{"type": "pid"}, {"type": "network", "path": "/run/netns/x"}, {"type": "ipc"},
                               {"type": "uts"}, {"type": "mount"}, {"type": "cgroup"}],
                "seccomp": {"defaultAction": "SCMP_ACT_ERRNO"},
                "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
                "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
            }
        });
        (config, spec)
    }

    #[test]
    fn an_ordinary_container_has_no_privileges() {
        let (config, spec) = ordinary();
        assert_eq!(privileges(&config, &spec), Vec::<String>::new());
    }

    /// One field changed at a time: where, to what, and what it grants.
    #[test]
    fn every_field_that_grants_something_is_shown() {
        let hook = json!({"poststop": [{"path": "/bin/touch", "args": ["touch", "/x"]}]});
        let cases: [(&str, &str, Value, &str); 32] = [
            ("config", "/conmonPidFile", json!("/etc/passwd"), "writes on the host: /etc/passwd (conmonPidFile)"),
            (
                "config",
                "/PID_FILE",
                json!(format!("{HOST}/../x")),
                "writes on the host: /run/containers/storage/../x (pid_file)",
            ),
            (
                "config",
                "/healthLogDestination",
                json!("/var/log"),
                "writes on the host: /var/log (healthLogDestination)",
            ),
            ("config", "/runtime", json!("/tmp/evil"), "runs on the host: /tmp/evil (runtime)"),
            ("config", "/privileged", json!(true), "privileged: all capabilities, devices and kernel settings"),
            ("config", "/mountAllDevices", json!(true), "device: all of the host"),
            (
                "config",
                "/overlayVolumes",
                json!([{"source": "/etc", "dest": "/e"}]),
                "host mount: /etc → /e, read-only",
            ),
            ("config", "/pidNsCtr", json!("abc"), "namespace: pid of container abc"),
            ("config", "/secrets", json!([{"name": "key", "ID": "1"}]), "secret: key"),
            ("config", "/baseHostsFile", json!("/etc/shadow"), "option: baseHostsFile=/etc/shadow"),
            (
                "config",
                "/portMappings",
                json!([{"hostPort": 80, "containerPort": 8080, "protocol": "udp", "hostIP": "10.0.0.1"}]),
                "port: 10.0.0.1:80:8080/udp",
            ),
            (
                "config",
                "/newPortMappings",
                json!([{"host_port": 80, "container_port": 8080, "protocol": "tcp", "range": 2}]),
                "port: 80:8080/tcp and 1 more",
            ),
            ("config", "/network_options", json!({"pasta": ["--trace"]}), "option: pasta=--trace"),
            ("config", "/cgroupParent", json!("/system.slice"), "cgroup: /system.slice"),
            ("config", "/createNetNS", json!(false), "namespace: network of /run/netns/x"),
            ("spec", "/hooks", hook, "runs on the host: /bin/touch /x (hook poststop)"),
            (
                "spec",
                "/annotations/org.criu.config",
                json!("/x"),
                "runs on the host: /x (CRIU's configuration by org.criu.config)",
            ),
            (
                "spec",
                "/annotations/io.podman.annotations.cid-file",
                json!("/x"),
                "writes on the host: /x (io.podman.annotations.cid-file)",
            ),
            ("spec", "/annotations/run.oci.keep_original_groups", json!("1"), "option: run.oci.keep_original_groups=1"),
            (
                "spec",
                "/mounts/3/destination",
                json!("/other"),
                "host mount: /graph/volumes/vol/_data → /other, read-write",
            ),
            (
                "spec",
                "/mounts/0",
                json!({"destination": "/d", "type": "ext4", "source": "/dev/sda1", "options": ["ro"]}),
                "host mount: /dev/sda1 → /d, read-only",
            ),
            ("spec", "/mounts/1/options", json!(["rw"]), "unmasked: /sys"),
            ("spec", "/process/capabilities/ambient", json!(["CAP_SYS_ADMIN"]), "capabilities: CAP_SYS_ADMIN"),
            ("spec", "/process/rlimits/0/type", json!("RLIMIT_CORE"), "limit: RLIMIT_CORE=1048576:1048576"),
            (
                "spec",
                "/linux/devices",
                json!([{"path": "/dev/x", "type": "c", "major": 1, "minor": 3}]),
                "device: /dev/x c 1:3",
            ),
            ("spec", "/linux/resources/devices/0/allow", json!(true), "device: all of the host"),
            ("spec", "/linux/namespaces/0/path", json!("/proc/1/ns/pid"), "namespace: pid of /proc/1/ns/pid"),
            (
                "spec",
                "/linux/namespaces",
                json!([{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"},
                       {"type": "cgroup"}, {"type": "user", "path": "/proc/1/ns/user"}]),
                "namespace: user of /proc/1/ns/user",
            ),
            ("spec", "/linux/rootfsPropagation", json!("rshared"), "option: rootfsPropagation=rshared"),
            (
                "spec",
                "/linux/seccomp/listenerPath",
                json!("/run/x.sock"),
                "writes on the host: /run/x.sock (seccomp's listenerPath)",
            ),
            ("spec", "/linux/seccomp", json!(null), "unconfined: no seccomp filter"),
            ("spec", "/linux/maskedPaths/1", json!("/x"), "unmasked: /proc/kcore"),
        ];
        for (file, at, value, expected) in cases {
            let (mut config, mut spec) = ordinary();
            set(if file == "config" { &mut config } else { &mut spec }, at, value);
            assert_eq!(privileges(&config, &spec), [expected], "{file} {at}");
        }
    }

    fn set(document: &mut Value, at: &str, value: Value) {
        let (parent, name) = at.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap() {
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
            Value::Object(fields) => {
                // Another spelling of a field stands in its place.
                fields.retain(|field, _| !field.eq_ignore_ascii_case(name));
                fields.insert(name.to_owned(), value);
            }
            other => panic!("{at} in {other}"),
        }
    }

    #[test]
    fn fields_that_podman_never_writes_are_found() {
        let cases = [
            ("config", "/namedVolumes/0/options/0", json!("volume-opt=device=/etc")),
            ("config", "/mounts/0", json!("/home")),
            ("config", "/timezone", json!("../../../etc/shadow")),
            ("config", "/cgroupParent", json!("/../x")),
            ("spec", "/linux/namespaces/4/path", json!("/proc/1/ns/mnt")),
            ("spec", "/linux/namespaces/5/type", json!("pid")),
        ];
        for (file, at, value) in cases {
            let (mut config, mut spec) = ordinary();
            set(if file == "config" { &mut config } else { &mut spec }, at, value.clone());
            let forgery = forgery(&dumps(&config, &spec)).unwrap().unwrap_or_else(|| panic!("{at}"));
            assert_eq!(Value::String(forgery.value), value);
        }
        let (config, spec) = ordinary();
        assert!(forgery(&dumps(&config, &spec)).unwrap().is_none());
    }
}
