//! Where containers/storage keeps things, from its configuration.
//!
//! Source: containers-storage.conf(5), and `storage/types/options.go` with `storage/pkg/configfile` for what that page
//! leaves open. The order, later over earlier, as root:
//!
//! 1. built-in defaults,
//! 2. one main file: `$CONTAINERS_STORAGE_CONF`, or `/etc/containers/storage.conf`, or `/usr/share/containers/storage.conf`,
//! 3. unless the variable named the main file, drop-ins from `storage.conf.d` and `storage.rootful.conf.d` in both
//!    folders, in the order of their file names, one in `/etc` in place of its namesake in `/usr/share` (podman 6;
//!    earlier versions have no drop-ins),
//! 4. `$CONTAINERS_STORAGE_CONF_OVERRIDE`,
//! 5. `$STORAGE_DRIVER` and `$STORAGE_OPTS`.
//!
//! Configuration files of single users are not read: this is for rootful containers.

mod error;
mod search;
mod settings;
mod table;

use crate::bounded_read;
pub use error::StorageConfError;
use search::{Environment, SearchPath};
pub use settings::StorageConf;
use table::{File, non_empty};

/// A configuration is a page or two.
const CONF_LIMIT: u64 = 1 << 20;

impl StorageConf {
    /// Reads the configuration of this machine and environment.
    ///
    /// # Errors
    /// [`StorageConfError`] naming the file; a missing file is an error only if the environment names it.
    pub fn load() -> Result<Self, StorageConfError> {
        Self::load_from(&SearchPath::default(), &|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn load_from(search: &SearchPath, env: Environment<'_>) -> Result<Self, StorageConfError> {
        let mut conf = Self::default();
        for path in search.files(env)? {
            let bytes = bounded_read::read_optional(&path, CONF_LIMIT)?;
            let bytes = bytes.ok_or_else(|| StorageConfError::Missing { path: path.clone() })?;
            File::parse(&bytes, &path)?.apply(&mut conf, env);
        }
        conf.apply_environment(env);
        Ok(conf)
    }

    fn apply_environment(&mut self, env: Environment<'_>) {
        if let Some(driver) = env("STORAGE_DRIVER") {
            self.driver = Some(driver.to_string_lossy().into_owned());
        }
        if let Some(options) = env("STORAGE_OPTS") {
            self.replace_driver_options(&options.to_string_lossy());
        }
        // The old name of the same driver, in Docker and here.
        if self.driver.as_deref() == Some("overlay2") {
            self.driver = Some("overlay".into());
        }
    }

    /// `$STORAGE_OPTS` takes the place of all driver options in the files: `overlay.mount_program=…,overlay.imagestore=…`.
    fn replace_driver_options(&mut self, options: &str) {
        self.mount_program = None;
        self.mount_options = None;
        self.additional_image_stores.clear();
        for (key, value) in options.split(',').filter_map(|option| option.split_once('=')) {
            match key.trim().rsplit('.').next() {
                Some("mount_program") => self.mount_program = non_empty(value).map(Into::into),
                Some("mountopt") => self.mount_options = non_empty(value).map(Into::into),
                Some("imagestore" | "additionalimagestore") => self.additional_image_stores.push(value.into()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::{Path, PathBuf};

    use super::*;

    fn no_environment(_: &str) -> Option<OsString> {
        None
    }

    fn write(dir: &Path, name: &str, content: &str) -> anyhow::Result<()> {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(dir))?;
        Ok(std::fs::write(path, content)?)
    }

    fn search_in(dir: &Path) -> SearchPath {
        SearchPath::in_folders(dir.join("usr"), dir.join("etc"))
    }

    #[test]
    fn nothing_configured_gives_the_defaults() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        assert_eq!(StorageConf::load_from(&search_in(dir.path()), &no_environment)?, StorageConf::default());
        Ok(())
    }

    #[test]
    fn etc_replaces_usr_and_drop_ins_refine_in_name_order() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        write(dir.path(), "usr/storage.conf", "[storage]\nrunroot = '/never'\n")?;
        write(dir.path(), "etc/storage.conf", "[storage]\ndriver = 'overlay2'\ngraphroot = '/main'\n")?;
        write(dir.path(), "usr/storage.conf.d/50-a.conf", "[storage]\ngraphroot = '/replaced'\n")?;
        write(dir.path(), "etc/storage.conf.d/50-a.conf", "[storage]\ntransient_store = true\n")?;
        write(dir.path(), "usr/storage.rootful.conf.d/90-z.conf", "[storage]\ngraphroot = '/last'\n")?;
        write(dir.path(), "etc/storage.conf.d/99-note.txt", "not toml")?;
        let conf = StorageConf::load_from(&search_in(dir.path()), &no_environment)?;
        let expected = StorageConf {
            driver: Some("overlay".into()),
            graph_root: "/last".into(),
            transient_store: true,
            ..StorageConf::default()
        };
        assert_eq!(conf, expected);
        Ok(())
    }

    #[test]
    fn the_environment_names_the_only_file() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        write(dir.path(), "own.conf", "[storage]\ngraphroot = '$HOME/graph'\nrunroot = '${HOME}/run'\n")?;
        write(dir.path(), "etc/storage.conf.d/1.conf", "[storage]\ngraphroot = '/never'\n")?;
        let own = dir.path().join("own.conf");
        let env = |name: &str| match name {
            "CONTAINERS_STORAGE_CONF" => Some(own.clone().into_os_string()),
            "HOME" => Some("/home/x".into()),
            "STORAGE_OPTS" => Some("overlay.mount_program=/fuse,.imagestore=/more".into()),
            _ => None,
        };
        let conf = StorageConf::load_from(&search_in(dir.path()), &env)?;
        assert_eq!((conf.graph_root, conf.run_root), ("/home/x/graph".into(), "/home/x/run".into()));
        assert_eq!(conf.mount_program, Some("/fuse".into()));
        assert_eq!(conf.additional_image_stores, [PathBuf::from("/more")]);
        std::fs::remove_file(&own)?;
        let missing = StorageConf::load_from(&search_in(dir.path()), &env);
        assert!(matches!(missing, Err(StorageConfError::Missing { path }) if path == own));
        Ok(())
    }
}
