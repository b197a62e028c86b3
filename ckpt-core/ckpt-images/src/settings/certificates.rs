//! `certs.d`: whose certificates a registry may have, and those that it wants to see; containers-certs.d(5).

use std::path::{Path, PathBuf};

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, parse_pem};

use super::{SettingsError, config_home, files_in};

/// For a registry.
#[derive(Debug, Default)]
pub struct Certificates {
    /// Authorities beside those of the host.
    pub(crate) authorities: Vec<Certificate<'static>>,
    /// What the registry asks for, if it asks.
    pub(crate) client: Option<ClientCert>,
}

impl Certificates {
    /// Those of the first folder for `host` that there is: the user's, podman's, Docker's.
    ///
    /// # Errors
    /// [`SettingsError`]; that there is no folder is none.
    pub fn load(host: &str) -> Result<Self, SettingsError> {
        let of_user = config_home().map(|home| home.join("containers/certs.d"));
        let folders = of_user.into_iter().chain(["/etc/containers/certs.d".into(), "/etc/docker/certs.d".into()]);
        match folders.map(|folder: PathBuf| folder.join(host)).find(|folder| folder.is_dir()) {
            Some(folder) => Certificates::of(&folder),
            None => Ok(Certificates::default()),
        }
    }

    fn of(folder: &Path) -> Result<Self, SettingsError> {
        let mut certificates = Certificates::default();
        for path in files_in(folder, &["crt"])? {
            certificates.authorities.extend(certificates_in(&path)?);
        }
        for path in files_in(folder, &["cert"])? {
            let key = path.with_extension("key");
            if !key.exists() {
                return Err(SettingsError::NoPair { path, missing: key });
            }
            certificates.client = Some(ClientCert::new_with_certs(&certificates_in(&path)?, key_in(&key)?));
        }
        for path in files_in(folder, &["key"])? {
            let missing = path.with_extension("cert");
            if !missing.exists() {
                return Err(SettingsError::NoPair { path, missing });
            }
        }
        Ok(certificates)
    }
}

fn certificates_in(path: &Path) -> Result<Vec<Certificate<'static>>, SettingsError> {
    let bytes = read(path)?;
    let found: Vec<_> = parse_pem(&bytes)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    match found.is_empty() {
        true => Err(SettingsError::NoPem { path: path.to_owned(), what: "certificate" }),
        false => Ok(found),
    }
}

fn key_in(path: &Path) -> Result<PrivateKey<'static>, SettingsError> {
    PrivateKey::from_pem(&read(path)?).map_err(|_| SettingsError::NoPem { path: path.to_owned(), what: "private key" })
}

fn read(path: &Path) -> Result<Vec<u8>, SettingsError> {
    std::fs::read(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_and_what_is_no_certificate_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = |name: &str| {
            std::fs::write(folder.path().join(name), "nothing").unwrap();
            let refused = Certificates::of(folder.path()).unwrap_err().to_string();
            std::fs::remove_file(folder.path().join(name)).unwrap();
            refused
        };
        assert!(refusal("ca.crt").ends_with("ca.crt holds no certificate in PEM"));
        assert!(refusal("me.cert").contains("me.key beside it"));
        assert!(refusal("me.key").contains("me.cert beside it"));
        let none = Certificates::of(folder.path()).unwrap();
        assert!(none.authorities.is_empty() && none.client.is_none());
    }
}
