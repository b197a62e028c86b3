//! The `[storage]` table of one file.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::StorageConfError;
use super::search::Environment;
use super::settings::StorageConf;

/// One configuration file. Keys this crate has no use for are left unread.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    storage: Storage,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Storage {
    driver: Option<String>,
    graphroot: Option<String>,
    runroot: Option<String>,
    imagestore: Option<String>,
    transient_store: Option<bool>,
    options: Options,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Options {
    additionalimagestores: Option<Vec<Item>>,
    mount_program: Option<String>,
    mountopt: Option<String>,
    overlay: OverlayTable,
}

/// `[storage.options.overlay]`, which counts before the same keys in `[storage.options]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OverlayTable {
    mount_program: Option<String>,
    mountopt: Option<String>,
}

/// An element of a list. podman 6 adds to what earlier files listed if one of them is `{append=true}`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Item {
    Value(String),
    Attributes {
        #[serde(default)]
        append: bool,
    },
}

impl File {
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self, StorageConfError> {
        let text =
            std::str::from_utf8(bytes).map_err(|source| StorageConfError::NotUtf8 { path: path.into(), source })?;
        toml::from_str(text).map_err(|source| StorageConfError::Toml { path: path.into(), source: source.into() })
    }

    /// Lays this file's settings over those of earlier ones.
    pub(super) fn apply(self, conf: &mut StorageConf, env: Environment<'_>) {
        let Storage { driver, graphroot, runroot, imagestore, transient_store, options } = self.storage;
        set(&mut conf.driver, driver.filter(|driver| !driver.is_empty()));
        set_path(&mut conf.graph_root, graphroot, env);
        set_path(&mut conf.run_root, runroot, env);
        set(&mut conf.image_store, imagestore.as_deref().and_then(non_empty).map(PathBuf::from));
        conf.transient_store = transient_store.unwrap_or(conf.transient_store);
        set_list(&mut conf.additional_image_stores, options.additionalimagestores);
        let program = options.overlay.mount_program.or(options.mount_program);
        set(&mut conf.mount_program, program.as_deref().and_then(non_empty).map(PathBuf::from));
        set(&mut conf.mount_options, options.overlay.mountopt.or(options.mountopt));
    }
}

fn set<T>(setting: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *setting = value;
    }
}

fn set_path(setting: &mut PathBuf, value: Option<String>, env: Environment<'_>) {
    if let Some(value) = value.as_deref().and_then(non_empty) {
        *setting = expand(value, env).into();
    }
}

fn set_list(list: &mut Vec<PathBuf>, items: Option<Vec<Item>>) {
    let Some(items) = items else { return };
    if !items.iter().any(|item| matches!(item, Item::Attributes { append: true })) {
        list.clear();
    }
    list.extend(items.into_iter().filter_map(|item| match item {
        Item::Value(path) => Some(PathBuf::from(path)),
        Item::Attributes { .. } => None,
    }));
}

pub(super) fn non_empty(value: &str) -> Option<&str> {
    Some(value).filter(|value| !value.is_empty())
}

/// `$NAME` and `${NAME}` become the variable's value, nothing where it is not set (Go's `os.ExpandEnv`).
fn expand(value: &str, env: Environment<'_>) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, behind)) = rest.split_once('$') {
        out.push_str(before);
        let (name, after) = variable(behind);
        out.push_str(&env(name).unwrap_or_default().to_string_lossy());
        rest = after;
    }
    out + rest
}

/// Splits the variable's name from what follows it.
fn variable(text: &str) -> (&str, &str) {
    if let Some((name, after)) = text.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
        return (name, after);
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(conf: &mut StorageConf, content: &str) -> anyhow::Result<()> {
        File::parse(content.as_bytes(), Path::new("storage.conf"))?.apply(conf, &|_| None);
        Ok(())
    }

    #[test]
    fn lists_replace_or_append() -> anyhow::Result<()> {
        let mut conf = StorageConf::default();
        apply(&mut conf, "[storage.options]\nadditionalimagestores = ['/a']")?;
        apply(&mut conf, "[storage.options]\nadditionalimagestores = ['/b', {append=true}]")?;
        assert_eq!(conf.additional_image_stores, [PathBuf::from("/a"), "/b".into()]);
        apply(&mut conf, "[storage.options]\nadditionalimagestores = ['/c']")?;
        assert_eq!(conf.additional_image_stores, [PathBuf::from("/c")]);
        Ok(())
    }

    #[test]
    fn the_overlay_table_counts_first_and_unknown_keys_are_no_error() -> anyhow::Result<()> {
        let mut conf = StorageConf::default();
        let content = "[storage]\nfuture = 1\n[storage.options]\nmount_program = '/old'\npull_options = {x = 'y'}\n\
                       [storage.options.overlay]\nmount_program = '/new'\nmountopt = 'nodev,metacopy=on'";
        apply(&mut conf, content)?;
        assert_eq!(conf.mount_program, Some("/new".into()));
        assert_eq!(conf.mount_options.as_deref(), Some("nodev,metacopy=on"));
        Ok(())
    }

    #[test]
    fn a_wrong_type_is_an_error_that_names_the_file() {
        let parsed = File::parse(b"[storage]\ngraphroot = 7", Path::new("/etc/x.conf"));
        assert!(matches!(parsed, Err(StorageConfError::Toml { path, .. }) if path == Path::new("/etc/x.conf")));
    }

    #[test]
    fn variables_expand_as_in_go() {
        let env = |name: &str| (name == "HOME").then(|| "/h".into());
        for (value, expanded) in [("$HOME/x", "/h/x"), ("${HOME}x", "/hx"), ("$NONE/x", "/x"), ("/plain", "/plain")] {
            assert_eq!(expand(value, &env), expanded);
        }
    }
}
