//! `config.dump` and `spec.dump` as podman gets them at a restore.
//!
//! Some fields only say where things lay on the host of the checkpoint. They are adapted to this host. What is left
//! asks for something, and is judged (see [`crate::container::privileges`]).
//!
//! | in the archive | podman gets |
//! |---|---|
//! | PID files and `mounts` in a container's `userdata`, whatever the store and its driver | none: it names its own |
//! | `exitCommand` | none: podman reads it no more since 4.0 |
//! | a `cgroupParent` that is the default of either cgroup manager | none: the default here |
//! | `orderedNetworks` (podman 6) or `newNetworks` (4 and 5) | both |
//! | bind mounts of files in a container's `userdata`: secrets, time zone, passwd, group, … | none: it makes them anew |
//! | the source of a named volume's mount | the volume's folder here |
//! | a bind mount of a symbolic link | one of what it leads to |
//!
//! What podman itself replaces (`staticDir`, `ShmDir`, `logPath`, `secretsPath`, the root, the cgroup's path) stays.

mod networks;
mod userdata;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::ArchiveError;
use super::go_json::Json;
use super::names::{CONFIG_DUMP, SHORT_ID, SPEC_DUMP};
use super::opened::CheckpointArchive;
pub(crate) use userdata::is_passing;

/// Parents of cgroups that podman uses by default: of its managers cgroupfs and systemd.
const CGROUP_PARENTS: [&str; 2] = ["/libpod_parent", "machine.slice"];

/// Where podman mounts secrets, unless it is told another place.
const SECRETS: &str = "/run/secrets/";

/// Both members, adapted to this host.
#[derive(Clone, Debug)]
pub(crate) struct Dumps {
    /// The archive's, for messages.
    path: PathBuf,
    config: Json,
    spec: Json,
    secret_files: Vec<String>,
}

impl Dumps {
    /// Those of `archive`.
    ///
    /// # Errors
    /// [`ArchiveError`] where they are not there, too large, or no JSON.
    pub(crate) fn of(archive: &CheckpointArchive) -> Result<Self, ArchiveError> {
        Ok(Self::for_this_host(archive.path(), archive.dump(CONFIG_DUMP)?, archive.dump(SPEC_DUMP)?))
    }

    /// Adapts `config` and `spec`; messages call their archive `path`.
    pub(crate) fn for_this_host(path: &Path, mut config: Json, mut spec: Json) -> Self {
        drop_pid_files(&mut config);
        drop_shm(&mut config);
        config.remove("exitCommand");
        if config.text("cgroupParent").is_some_and(|parent| CGROUP_PARENTS.contains(&parent)) {
            config.remove("cgroupParent");
        }
        networks::tell_in_both_forms(&mut config);
        let secret_files = secret_files(&spec);
        drop_files_of_podman(&mut spec);
        Dumps { path: path.to_owned(), config, spec, secret_files }
    }

    /// `config.dump` as a value.
    ///
    /// # Errors
    /// [`ArchiveError::Json`]: what `T` does not understand.
    pub(crate) fn config<T: DeserializeOwned>(&self) -> Result<T, ArchiveError> {
        self.read(CONFIG_DUMP, &self.config)
    }

    /// `spec.dump` as a value.
    ///
    /// # Errors
    /// [`ArchiveError::Json`]: what `T` does not understand.
    pub(crate) fn spec<T: DeserializeOwned>(&self) -> Result<T, ArchiveError> {
        self.read(SPEC_DUMP, &self.spec)
    }

    fn read<T: DeserializeOwned>(&self, member: &str, json: &Json) -> Result<T, ArchiveError> {
        let json_error = |source| ArchiveError::Json { path: self.path.clone(), member: member.to_owned(), source };
        T::deserialize(json).map_err(json_error)
    }

    /// Whether the store that the container was in had the driver overlay; as far as it is known, else.
    pub(crate) fn is_of_overlay(&self) -> bool {
        self.config.text("staticDir").and_then(userdata::driver).is_none_or(|driver| driver == "overlay")
    }

    /// Whether the container may not write to its root.
    ///
    /// # Errors
    /// [`ArchiveError::Json`] if the specification is none.
    pub(crate) fn has_read_only_root(&self) -> Result<bool, ArchiveError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Spec {
            root: Root,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Root {
            readonly: bool,
        }
        Ok(self.spec::<Spec>()?.root.readonly)
    }

    /// Secrets that were mounted below /run/secrets, by their plain paths there.
    pub(crate) fn secret_files(&self) -> &[String] {
        &self.secret_files
    }

    /// Names the host after the container of this `id`, if it was named after the `old` one.
    pub(crate) fn name_host_after(&mut self, id: &str, old: &str) {
        let (Some(id), Some(old)) = (id.get(..SHORT_ID), old.get(..SHORT_ID)) else { return };
        if self.spec.text("hostname") != Some(old) {
            return;
        }
        self.spec.set("hostname", Json::Text(id.to_owned()));
        let process = self.spec.field_mut("process");
        for variable in process.and_then(|process| process.items_mut("env")).into_iter().flatten() {
            if *variable == Json::Text(format!("HOSTNAME={old}")) {
                *variable = Json::Text(format!("HOSTNAME={id}"));
            }
        }
    }

    /// Leaves out what the container is called in networks, beside its name, its ID and its host name: these podman
    /// knows by itself.
    pub(crate) fn forget_aliases(&mut self) {
        networks::forget_aliases(&mut self.config);
    }

    /// Puts `text` in the field `name` of `config.dump`.
    pub(crate) fn set(&mut self, name: &str, text: &str) {
        self.config.set(name, Json::Text(text.to_owned()));
    }

    /// Replaces each source that is a symbolic link by what it leads to. The runtimes follow such a link. CRIU tries to
    /// mount the link itself, and fails (`open_tree` with AT_SYMLINK_NOFOLLOW in criu/mount-v2.c). `podman run --init`
    /// mounts a link on Debian.
    pub(crate) fn follow_links(&mut self) {
        for mount in self.spec.items_mut("mounts").into_iter().flatten() {
            let source = mount.text("source").filter(|_| mount.text("type") == Some("bind")).map(Path::new);
            if let Some(target) =
                source.filter(|source| source.is_symlink()).and_then(|source| source.canonicalize().ok())
                && let Ok(target) = target.into_os_string().into_string()
            {
                mount.set("source", Json::Text(target));
            }
        }
    }

    /// Whether a named volume was mounted from another place than `folder`, which has this host's volumes; yes where
    /// that folder is not known.
    pub(crate) fn has_volumes_outside(&self, folder: Option<&Path>) -> bool {
        let volumes = self.volumes();
        let is_outside = |mount: &Json| {
            let source = mount.text("source").map(PathBuf::from);
            volume_of(mount, &volumes).is_some_and(|name| source != folder.map(|folder| data_of(folder, name)))
        };
        self.spec.items("mounts").iter().any(is_outside)
    }

    /// Has named volumes mounted from `folder`.
    pub(crate) fn move_volumes(&mut self, folder: &Path) {
        let volumes = self.volumes();
        for mount in self.spec.items_mut("mounts").into_iter().flatten() {
            if let Some(name) = volume_of(mount, &volumes) {
                let source = data_of(folder, name).to_string_lossy().into_owned();
                mount.set("source", Json::Text(source));
            }
        }
    }

    /// Has each named volume be the one that `name_of` gives instead, with whether that goes with its container.
    pub(crate) fn rename_volumes(&mut self, name_of: impl Fn(&str) -> Option<(String, bool)>) {
        for volume in self.config.items_mut("namedVolumes").into_iter().flatten() {
            if let Some((name, is_anonymous)) = volume.text("volumeName").and_then(&name_of) {
                volume.set("volumeName", Json::Text(name));
                volume.set("setAnonymous", Json::Bool(is_anonymous));
            }
        }
    }

    /// Both members' names with their bytes.
    pub(crate) fn members(&self) -> [(&'static str, Vec<u8>); 2] {
        let bytes = |json| serde_json::to_vec(json).expect("it was JSON, and its keys are strings");
        [(CONFIG_DUMP, bytes(&self.config)), (SPEC_DUMP, bytes(&self.spec))]
    }

    /// Names and mount points of named volumes. A mount of a folder in a volume is left out: podman finds that itself.
    fn volumes(&self) -> Vec<(String, String)> {
        let is_whole = |volume: &&Json| volume.text("subPath").is_none_or(str::is_empty);
        let pair = |volume: &Json| Some((volume.text("volumeName")?.to_owned(), volume.text("dest")?.to_owned()));
        self.config.items("namedVolumes").iter().filter(is_whole).filter_map(pair).collect()
    }
}

/// The name of the volume that `mount` shows.
fn volume_of<'v>(mount: &Json, volumes: &'v [(String, String)]) -> Option<&'v str> {
    let destination = mount.text("destination").filter(|_| mount.text("type") == Some("bind"))?;
    volumes.iter().find(|(_, at)| at == destination).map(|(name, _)| name.as_str())
}

/// Where the local driver keeps a volume's files.
fn data_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).join("_data")
}

fn drop_pid_files(config: &mut Json) {
    for field in ["conmonPidFile", "pid_file"] {
        if config.text(field).is_some_and(userdata::is_pid_file) {
            config.remove(field);
        }
    }
}

/// podman unmounts these when the container ends. A clone that kept them would unmount its original's.
fn drop_shm(config: &mut Json) {
    if let Some(mounts) = config.items_mut("mounts") {
        mounts.retain(|mount| !matches!(mount, Json::Text(path) if userdata::is_shm(path)));
    }
}

/// Drops mounts of files in the container's bundle, or in that of its original if it was a clone: podman makes these
/// files anew, now and at each start, unless something else is mounted there.
fn drop_files_of_podman(spec: &mut Json) {
    if let Some(mounts) = spec.items_mut("mounts") {
        mounts.retain(|mount| !mount.text("source").is_some_and(userdata::is_made_anew));
    }
}

fn secret_files(spec: &Json) -> Vec<String> {
    let is_secret = |mount: &&Json| mount.text("source").is_some_and(userdata::is_secret);
    let file = |mount: &Json| mount.text("destination")?.strip_prefix(SECRETS).map(str::to_owned);
    let files = spec.items("mounts").iter().filter(is_secret).filter_map(file);
    files.filter(|file| userdata::is_plain(&format!("/{file}"))).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use serde_json::{Value, json};

    fn adapted(config: &Value, spec: &Value) -> Dumps {
        let read = |value: &Value| crate::archive::go_json::from_slice(value.to_string().as_bytes()).unwrap();
        Dumps::for_this_host(Path::new("x.tar"), read(config), read(spec))
    }

    fn values(dumps: &Dumps) -> [Value; 2] {
        dumps.members().map(|(_, bytes)| serde_json::from_slice(&bytes).unwrap())
    }

    fn userdata(store: &str, file: &str) -> String {
        format!("{store}/{}/userdata/{file}", "5e".repeat(32))
    }

    #[test]
    fn where_things_lay_on_another_host_is_forgotten() {
        for store in ["/mnt/run/vfs-containers", "/run/user/7/btrfs-containers", "/var/x/overlay-containers"] {
            let config = json!({
                "id": "a", "conmonPIDFile": userdata(store, "conmon.pid"), "pid_file": userdata(store, "pidfile"),
                "mounts": [userdata(store, "shm"), "/home"], "exitCommand": ["/opt/podman", "--root", store],
                "cgroupParent": "machine.slice", "staticDir": userdata(store, "")
            });
            let mount =
                |at: &str, file: &str| json!({"destination": at, "type": "bind", "source": userdata(store, file)});
            let kept =
                [json!({"destination": "/x", "type": "bind", "source": "/etc/passwd"}), mount("/run/notify", "notify")];
            let dropped = [
                mount("/etc/passwd", "passwd"),
                mount("/etc/localtime", "localtime"),
                mount("/etc/key", "secrets/key"),
            ];
            let mounts = [&kept[..], &dropped].concat();
            let spec = json!({"mounts": mounts, "hostname": "h"});
            let [config, spec] = values(&adapted(&config, &spec));
            assert_eq!(config, json!({"id": "a", "mounts": ["/home"], "staticDir": userdata(store, "")}));
            assert_eq!(spec, json!({"mounts": kept, "hostname": "h"}));
        }
    }

    #[test]
    fn fields_that_somebody_chose_are_left_to_be_judged() {
        let config = json!({
            "conmonPidFile": "/run/my.pid", "pid_file": userdata("/x/../overlay-containers", "pidfile"),
            "mounts": [userdata("/tmp", "shm")], "cgroupParent": "/system.slice", "unknown": [1, 2.5, null]
        });
        let spec =
            json!({"mounts": [{"source": userdata("/tmp", "passwd")}, {"source": userdata("/a-containers", "/../x")}]});
        assert_eq!(values(&adapted(&config, &spec)), [config, spec]);
    }

    #[test]
    fn the_driver_and_the_places_of_secrets_are_known() {
        let key = |at: &str| json!({"destination": at, "source": userdata("/run/vfs-containers", "secrets/key")});
        let mounts = json!({"mounts": [key("/run/secrets/key"), key("/etc/key"), key("/run/secrets/../x")]});
        let static_dir = userdata("/run/vfs-containers", "");
        let dumps = adapted(&json!({"staticDir": static_dir.trim_end_matches('/')}), &mounts);
        assert_eq!(dumps.secret_files(), ["key"]);
        assert!(!dumps.is_of_overlay() && adapted(&json!({"staticDir": "/x"}), &mounts).is_of_overlay());
    }

    #[test]
    fn networks_are_known_to_podman_6_and_to_older_ones() {
        let (spec, options) = (json!({}), json!({"interface_name": "eth0", "static_ips": ["10.88.0.7"]}));
        let (five, mut network) = (json!({"newNetworks": {"podman": options}}), options.clone());
        network["name"] = json!("podman");
        let six = json!({"orderedNetworks": [network]});
        for config in [&five, &six] {
            let [config, _] = values(&adapted(config, &spec));
            assert_eq!(config, json!({"newNetworks": {"podman": options}, "orderedNetworks": [network]}));
        }
        let none = json!({"networks": null});
        assert_eq!(values(&adapted(&none, &spec))[0], none);
    }

    #[test]
    fn a_host_that_is_named_after_its_container_is_named_after_another() {
        let (old, new) = ("ab".repeat(32), "cd".repeat(32));
        let spec = |name: &str| json!({"hostname": name, "process": {"env": ["PATH=/", format!("HOSTNAME={name}")]}});
        for (name, expected) in [(&old[..12], &new[..12]), ("chosen", "chosen")] {
            let mut dumps = adapted(&json!({}), &spec(name));
            dumps.name_host_after(&new, &old);
            assert_eq!(values(&dumps)[1], spec(expected));
        }
    }

    #[test]
    fn aliases_are_forgotten_in_both_forms() {
        let network = json!({"aliases": ["db"], "interface_name": "eth0"});
        let mut dumps = adapted(&json!({"newNetworks": {"net": network}}), &json!({}));
        dumps.forget_aliases();
        let expected = json!({
            "newNetworks": {"net": {"interface_name": "eth0"}},
            "orderedNetworks": [{"name": "net", "interface_name": "eth0"}]
        });
        assert_eq!(values(&dumps)[0], expected);
    }

    #[test]
    fn a_link_is_replaced_by_what_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().canonicalize().unwrap().join("file");
        fs::write(&file, "").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("file", &link).unwrap();
        let bind = |source: &Path| json!({"destination": "/x", "type": "bind", "source": source});
        let odd = json!({"destination": "/y", "type": "tmpfs", "source": link});
        let mut dumps = adapted(&json!({}), &json!({"mounts": [bind(&link), bind("/none".as_ref()), odd]}));
        dumps.follow_links();
        assert_eq!(values(&dumps)[1], json!({"mounts": [bind(&file), bind("/none".as_ref()), odd]}));
    }

    #[test]
    fn volumes_of_other_names_are_mounted_where_the_old_ones_were() {
        let config = json!({"namedVolumes": [{"volumeName": "v", "dest": "/data"}, {"volumeName": "w", "dest": "/w"}]});
        let bind = |at: &str, source: &str| json!({"destination": at, "type": "bind", "source": source});
        let spec = json!({"mounts": [bind("/data", "/old/volumes/v/_data"), bind("/w", "/old/volumes/w/_data")]});
        let mut dumps = adapted(&config, &spec);
        dumps.rename_volumes(|name| (name == "v").then(|| ("v-web-1".to_owned(), true)));
        dumps.move_volumes(Path::new("/graph/volumes"));
        let [config, spec] = values(&dumps);
        let renamed = json!({"volumeName": "v-web-1", "setAnonymous": true, "dest": "/data"});
        assert_eq!(config, json!({"namedVolumes": [renamed, {"volumeName": "w", "dest": "/w"}]}));
        let mounts = [bind("/data", "/graph/volumes/v-web-1/_data"), bind("/w", "/graph/volumes/w/_data")];
        assert_eq!(spec, json!({"mounts": mounts}));
    }

    #[test]
    fn volumes_are_mounted_from_their_folder_here() {
        let config = json!({"namedVolumes": [{"volumeName": "v", "dest": "/data"}, {"volumeName": "w", "dest": "/w"}]});
        let bind = |at: &str, source: &str| json!({"destination": at, "type": "bind", "source": source});
        let overlay = json!({"destination": "/w", "type": "overlay", "source": "overlay"});
        let spec = json!({"mounts": [bind("/data", "/old/volumes/v/_data"), bind("/other", "/old"), overlay]});
        let mut dumps = adapted(&config, &spec);
        let here = Path::new("/graph/volumes");
        assert!(dumps.has_volumes_outside(Some(here)) && dumps.has_volumes_outside(None));
        assert!(!dumps.has_volumes_outside(Some(Path::new("/old/volumes"))));
        dumps.move_volumes(here);
        let moved = json!({"mounts": [bind("/data", "/graph/volumes/v/_data"), bind("/other", "/old"), overlay]});
        assert_eq!(values(&dumps)[1], moved);
        assert!(!dumps.has_volumes_outside(Some(here)));
    }
}
