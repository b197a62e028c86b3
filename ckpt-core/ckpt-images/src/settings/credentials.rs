//! Names and passwords: where `podman login` puts them, containers-auth.json(5), and credential helpers.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::{SettingsError, config_home, home, read_optional};
use crate::reference::RegistryRef;

/// Docker's own key for docker.io.
const DOCKER_KEY: &str = "https://index.docker.io/v1/";

/// A name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password, or a token that serves as one.
    pub password: String,
}

/// Messages must not have it.
impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credentials of {}", self.user)
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AuthFile {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
}

impl Credentials {
    /// What is known for the repository of `image`, in the first of podman's files that knows any.
    ///
    /// # Errors
    /// [`SettingsError`], if a file or a helper cannot be used. That nothing is known is none.
    pub fn find_optional(image: &RegistryRef) -> Result<Option<Self>, SettingsError> {
        for path in files() {
            let Some(bytes) = read_optional(&path)? else { continue };
            if let Some(found) = in_file(&path, &bytes, image)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// As the header of HTTP's scheme Basic has it.
    pub(crate) fn basic(&self) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

/// podman's files, first come first. A file that the user names is the only one.
fn files() -> Vec<PathBuf> {
    if let Some(named) = env::var_os("REGISTRY_AUTH_FILE").filter(|path| !path.is_empty()) {
        return vec![named.into()];
    }
    let runtime = env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
    let of_session = match runtime {
        Some(folder) => Path::new(&folder).join("containers/auth.json"),
        None => format!("/run/containers/{}/auth.json", rustix::process::getuid().as_raw()).into(),
    };
    let docker = env::var_os("DOCKER_CONFIG").map(PathBuf::from).or_else(|| Some(home()?.join(".docker")));
    let of_user = config_home().map(|home| home.join("containers/auth.json"));
    let of_docker = docker.map(|folder| folder.join("config.json"));
    [Some(of_session), of_user, of_docker].into_iter().flatten().collect()
}

fn in_file(path: &Path, bytes: &[u8], image: &RegistryRef) -> Result<Option<Credentials>, SettingsError> {
    let file: AuthFile =
        serde_json::from_slice(bytes).map_err(|source| SettingsError::Json { path: path.to_owned(), source })?;
    let keys = keys(image);
    for key in &keys {
        if let Some(helper) = file.cred_helpers.get(key) {
            return ask(helper, key);
        }
    }
    for key in &keys {
        let known = file.auths.iter().find(|(other, auth)| plain(other) == *key && !auth.auth.is_empty());
        if let Some(found) = known.and_then(|(_, auth)| decode(&auth.auth)) {
            return Ok(Some(found));
        }
    }
    match file.creds_store.as_str() {
        "" => Ok(None),
        helper => ask(helper, if image.host == "docker.io" { DOCKER_KEY } else { &image.host }),
    }
}

/// What a file may know: the repository, the folders above it, the host.
fn keys(image: &RegistryRef) -> Vec<String> {
    let mut keys = vec![format!("{}/{}", image.host, image.name)];
    while let Some((above, _)) = keys.last().and_then(|key| key.rsplit_once('/')) {
        keys.push(above.to_owned());
    }
    keys
}

/// docker writes URLs.
fn plain(key: &str) -> &str {
    if key == DOCKER_KEY {
        return "docker.io";
    }
    match key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")) {
        Some(url) => url.split('/').next().unwrap_or_default(),
        None => key,
    }
}

fn decode(auth: &str) -> Option<Credentials> {
    let text = String::from_utf8(BASE64_STANDARD.decode(auth.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Credentials { user: user.to_owned(), password: password.trim_end_matches('\0').to_owned() })
}

/// Asks `docker-credential-HELPER`, by the protocol of docker-credential-helpers; `None` if it knows nothing.
fn ask(helper: &str, host: &str) -> Result<Option<Credentials>, SettingsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Told {
        username: String,
        secret: String,
    }
    let failed = |said: String| SettingsError::Helper { helper: helper.to_owned(), host: host.to_owned(), said };
    let program = format!("docker-credential-{helper}");
    let mut asked = Command::new(&program);
    let asked = asked.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut asked = asked.map_err(|error| failed(format!("{program}: {error}")))?;
    let mut stdin = asked.stdin.take();
    // One that ends early has its reasons, and says them.
    let _ = stdin.as_mut().map(|stdin| stdin.write_all(host.as_bytes()));
    drop(stdin);
    let said = asked.wait_with_output().map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&said.stdout);
    if !said.status.success() {
        let knows_nothing = text.contains("credentials not found");
        return if knows_nothing { Ok(None) } else { Err(failed(text.trim().to_owned())) };
    }
    let told: Told = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    Ok(Some(Credentials { user: told.username, password: told.secret }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(json: &str, image: &str) -> Option<String> {
        let found = in_file(Path::new("auth.json"), json.as_bytes(), &image.parse().unwrap()).unwrap();
        found.map(|found| format!("{}:{}", found.user, found.password))
    }

    #[test]
    fn the_nearest_key_counts() {
        let auth = |text: &str| BASE64_STANDARD.encode(text);
        let json = format!(
            r#"{{"auths": {{"quay.io": {{"auth": "{}"}}, "quay.io/team/web": {{"auth": "{}"}}, "https://index.docker.io/v1/": {{"auth": "{}"}}}}}}"#,
            auth("host:p:w"),
            auth("web:1"),
            auth("docker:2")
        );
        assert_eq!(user(&json, "quay.io/team/web:1").unwrap(), "web:1");
        assert_eq!(user(&json, "quay.io/team/db:1").unwrap(), "host:p:w");
        assert_eq!(user(&json, "docker.io/busybox").unwrap(), "docker:2");
        assert_eq!(user(&json, "quay.io.evil.com/team/web"), None);
        assert_eq!(user("{}", "quay.io/web"), None);
    }

    #[test]
    fn a_helper_that_is_not_there_is_an_error() {
        let json = r#"{"credHelpers": {"quay.io": "ckpt-no-such-helper"}}"#;
        let image: RegistryRef = "quay.io/web".parse().unwrap();
        let refused = in_file(Path::new("auth.json"), json.as_bytes(), &image).unwrap_err();
        assert!(refused.to_string().contains("docker-credential-ckpt-no-such-helper"), "{refused}");
        assert!(in_file(Path::new("auth.json"), b"{", &image).is_err());
    }

    #[test]
    fn a_password_is_in_no_message() {
        let secret = Credentials { user: "me".into(), password: "secret".into() };
        assert!(!format!("{secret:?}").contains("secret"));
        assert_eq!(secret.basic(), "Basic bWU6c2VjcmV0");
    }
}
