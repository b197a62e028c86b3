//! `registries.conf`: which registries are asked in the place of which, over what, or not at all.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{SettingsError, config_home, files_in, read_optional};
use crate::reference::{RegistryRef, Version};

/// Of the whole host.
const OF_HOST: &str = "/etc/containers/registries.conf";
/// Names another file, for podman as well.
const VARIABLE: &str = "CONTAINERS_REGISTRIES_CONF";

/// What all files say together.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    /// By their prefixes; a later file's replaces an earlier one's.
    rules: BTreeMap<String, Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    told: Registry,
    path: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    registry: Vec<Registry>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Registry {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror_by_digest_only: bool,
    mirror: Vec<Mirror>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Mirror {
    location: String,
    insecure: bool,
    /// `all`, `digest-only` or `tag-only`.
    pull_from_mirror: String,
}

/// Where an image is asked for, or sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The image there.
    pub image: RegistryRef,
    /// Whether certificates are not checked, and plain HTTP will do.
    pub insecure: bool,
}

impl Registries {
    /// Reads the files that podman reads: the user's or the host's `registries.conf`, then the drop-ins of both.
    ///
    /// # Errors
    /// [`SettingsError`]; that a file is not there is none.
    pub fn load() -> Result<Self, SettingsError> {
        let mut files = Vec::new();
        let of_user = config_home().map(|home| home.join("containers"));
        if let Some(named) = env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            files.push(PathBuf::from(named));
        } else {
            let main = of_user.iter().map(|folder| folder.join("registries.conf")).find(|path| path.exists());
            files.push(main.unwrap_or_else(|| OF_HOST.into()));
            files.extend(files_in(Path::new("/etc/containers/registries.conf.d"), &["conf"])?);
            if let Some(folder) = of_user {
                files.extend(files_in(&folder.join("registries.conf.d"), &["conf"])?);
            }
        }
        let mut registries = Registries::default();
        for path in files {
            if let Some(text) = read_optional(&path)? {
                registries.add(&path, &String::from_utf8_lossy(&text))?;
            }
        }
        Ok(registries)
    }

    fn add(&mut self, path: &Path, text: &str) -> Result<(), SettingsError> {
        let file: File = toml::from_str(text)
            .map_err(|error| SettingsError::Toml { path: path.to_owned(), why: error.message().to_owned() })?;
        for told in file.registry {
            let prefix = if told.prefix.is_empty() { told.location.clone() } else { told.prefix.clone() };
            self.rules.insert(prefix, Rule { told, path: path.to_owned() });
        }
        Ok(())
    }

    /// Where an image is sent: mirrors are never written to.
    ///
    /// # Errors
    /// [`SettingsError::Blocked`].
    pub fn for_push(&self, image: &RegistryRef) -> Result<Endpoint, SettingsError> {
        let Some((prefix, rule)) = self.rule_of(image)? else {
            return Ok(Endpoint { image: image.clone(), insecure: false });
        };
        Ok(rule.primary(image, prefix))
    }

    /// Where an image is asked for, in this order.
    ///
    /// # Errors
    /// [`SettingsError::Blocked`].
    pub fn for_pull(&self, image: &RegistryRef) -> Result<Vec<Endpoint>, SettingsError> {
        let Some((prefix, rule)) = self.rule_of(image)? else {
            return Ok(vec![Endpoint { image: image.clone(), insecure: false }]);
        };
        let is_digest = matches!(image.version, Version::Digest(_));
        let serves = |mirror: &&Mirror| match mirror.pull_from_mirror.as_str() {
            "digest-only" => is_digest,
            "tag-only" => !is_digest,
            _ => is_digest || !rule.told.mirror_by_digest_only,
        };
        let mirrors = rule.told.mirror.iter().filter(serves);
        let mirrors =
            mirrors.map(|mirror| Endpoint { image: moved(image, prefix, &mirror.location), insecure: mirror.insecure });
        Ok(mirrors.chain([rule.primary(image, prefix)]).collect())
    }

    /// The rule with the longest prefix that fits, if any, and that prefix.
    fn rule_of(&self, image: &RegistryRef) -> Result<Option<(&str, &Rule)>, SettingsError> {
        let name = format!("{}/{}", image.host, image.name);
        let fitting = self.rules.iter().filter(|(prefix, _)| fits(prefix, &name));
        let Some((prefix, rule)) = fitting.max_by_key(|(prefix, _)| prefix.len()) else { return Ok(None) };
        if rule.told.blocked {
            return Err(SettingsError::Blocked { name, path: rule.path.clone() });
        }
        Ok(Some((prefix, rule)))
    }
}

impl Rule {
    fn primary(&self, image: &RegistryRef, prefix: &str) -> Endpoint {
        Endpoint { image: moved(image, prefix, &self.told.location), insecure: self.told.insecure }
    }
}

/// Whether `name` is below `prefix`: a host, a folder of its repositories, a repository; or all hosts of a domain.
fn fits(prefix: &str, name: &str) -> bool {
    if let Some(domain) = prefix.strip_prefix('*') {
        let host = name.split('/').next().unwrap_or_default();
        return domain.starts_with('.') && host.split(':').next().unwrap_or_default().ends_with(domain);
    }
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The image with `location` in the place of `prefix`. Where that makes no name, it stays what it is.
fn moved(image: &RegistryRef, prefix: &str, location: &str) -> RegistryRef {
    let name = format!("{}/{}", image.host, image.name);
    let rest = match name.strip_prefix(prefix) {
        _ if location.is_empty() => return image.clone(),
        Some(rest) => rest,
        // A domain: only the host is another.
        None => &name[image.host.len()..],
    };
    let version = match &image.version {
        Version::Tag(tag) => format!(":{tag}"),
        Version::Digest(digest) => format!("@{digest}"),
    };
    format!("{location}{rest}{version}").parse().unwrap_or_else(|_| image.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn told(text: &str) -> Registries {
        let mut registries = Registries::default();
        registries.add(Path::new("registries.conf"), text).unwrap();
        registries
    }

    fn places(registries: &Registries, name: &str) -> Vec<String> {
        let endpoints = registries.for_pull(&name.parse().unwrap()).unwrap();
        endpoints.iter().map(|place| format!("{} {}", place.image, place.insecure)).collect()
    }

    #[test]
    fn a_registry_that_is_not_named_is_asked_itself_and_securely() {
        assert_eq!(places(&Registries::default(), "quay.io/web:1"), ["quay.io/web:1 false"]);
        assert_eq!(
            places(&told("unqualified-search-registries = ['docker.io']"), "quay.io/x"),
            ["quay.io/x:latest false"]
        );
    }

    #[test]
    fn mirrors_come_first_and_the_longest_prefix_counts() {
        let registries = told(
            "[[registry]]\nlocation = 'quay.io'\ninsecure = true\n\
             [[registry]]\nprefix = 'quay.io/team'\nlocation = 'internal:5000/quay'\n\
             [[registry.mirror]]\nlocation = 'near:5000/copies'\ninsecure = true\n\
             [[registry.mirror]]\nlocation = 'pinned'\npull-from-mirror = 'digest-only'",
        );
        assert_eq!(places(&registries, "quay.io/other:1"), ["quay.io/other:1 true"]);
        assert_eq!(
            places(&registries, "quay.io/team/web:1"),
            ["near:5000/copies/web:1 true", "internal:5000/quay/web:1 false"]
        );
        assert_eq!(places(&registries, "quay.io/teams/web:1"), ["quay.io/teams/web:1 true"]);
        let digest = Digest::of(b"");
        assert_eq!(places(&registries, &format!("quay.io/team/web@{digest}")).len(), 3);
        let push = registries.for_push(&"quay.io/team/web:1".parse().unwrap()).unwrap();
        assert_eq!(push.image.to_string(), "internal:5000/quay/web:1");
    }

    #[test]
    fn domains_and_blocked_registries() {
        let registries = told("[[registry]]\nprefix = '*.example.com'\nblocked = true");
        let blocked = registries.for_pull(&"a.example.com:5000/web".parse().unwrap()).unwrap_err();
        assert!(matches!(blocked, SettingsError::Blocked { .. }));
        assert_eq!(places(&registries, "example.com/web"), ["example.com/web:latest false"]);
        let moved = told("[[registry]]\nprefix = '*.example.com'\nlocation = 'mirror.net/x'");
        assert_eq!(places(&moved, "a.example.com/web:1"), ["mirror.net/x/web:1 false"]);
    }
}
