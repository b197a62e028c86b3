//! `/etc/ckpt/ckpt.toml`: where the store is, and what `prune` keeps if it is told nothing.
//!
//! ```toml
//! store = "/srv/ckpt"
//!
//! [retention]
//! keep-last = 5
//! keep-hourly = 24
//! keep-daily = 7
//! keep-tag = ["release-*"]
//! max-size = "20G"
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Table;

use super::StoreError;
use crate::retention::{Policy, Size};

const PATH: &str = "/etc/ckpt/ckpt.toml";

/// What the file says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Configuration {
    /// The store's folder.
    pub store: Option<PathBuf>,
    /// What `prune` keeps.
    pub retention: Retention,
}

/// What `prune` keeps, by the names of its options.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Table")]
pub struct Retention {
    /// Which archives.
    pub policy: Policy,
    /// How much all may occupy.
    pub max_size: Option<Size>,
}

impl TryFrom<Table> for Retention {
    type Error = toml::de::Error;

    fn try_from(mut table: Table) -> Result<Self, toml::de::Error> {
        let max_size = table.remove("max-size").map(Size::deserialize).transpose()?;
        Ok(Retention { policy: Policy::deserialize(table)?, max_size })
    }
}

impl Configuration {
    /// What the file says; of one that is not there, nothing.
    ///
    /// # Errors
    /// [`StoreError::Configuration`], [`StoreError::Io`].
    pub fn read() -> Result<Self, StoreError> {
        let path = Path::new(PATH);
        match fs::read_to_string(path) {
            Ok(text) => Configuration::parse(&text, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Configuration::default()),
            Err(source) => Err(StoreError::io("read", path, source)),
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, StoreError> {
        let wrong = |source| StoreError::Configuration { path: path.to_owned(), source: Box::new(source) };
        toml::from_str(text).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retention::Count;

    fn parse(text: &str) -> Result<Configuration, String> {
        Configuration::parse(text, Path::new(PATH)).map_err(|error| match error {
            StoreError::Configuration { source, .. } => source.to_string(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn all_that_prune_has_can_be_said() {
        let said = parse(
            "store = '/srv/ckpt'\n[retention]\nkeep-last = 5\nkeep-daily = 'unlimited'\nkeep-within = '1y2d'\n\
             keep-tag = ['a,b', 'v*']\nmax-size = '20G'\n",
        )
        .unwrap();
        assert_eq!(said.store.as_deref(), Some(Path::new("/srv/ckpt")));
        let Policy { last, daily, hourly, within, tags, .. } = said.retention.policy;
        assert_eq!((last, daily, hourly), (Count::Of(5), Count::Unlimited, Count::Of(0)));
        assert_eq!((within.unwrap().to_string(), tags.len()), ("1y2d".to_owned(), 2));
        assert_eq!(said.retention.max_size.unwrap().bytes(), 20 << 30);
        assert!(parse("").unwrap().retention.policy.is_empty());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "stores = '/x'",
            "[retention]\nkeep-lats = 5",
            "[retention]\nkeep-last = -1",
            "[retention]\nkeep-last = 'many'",
            "[retention]\nkeep-within = '5'",
            "[retention]\nkeep-tag = 'x'",
            "[retention]\nmax-size = 'large'",
        ] {
            parse(text).unwrap_err();
        }
    }
}
