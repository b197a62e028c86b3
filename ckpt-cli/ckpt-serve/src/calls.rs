//! Which requests are ours. All others are podman's, and so is every one of which anything is not understood.

use ckpt_core::checkpoint::CheckpointOptions;
use ckpt_core::restore::RestoreOptions;
use hyper::{Method, Request};

use crate::query::Query;

/// A request that `ckpt-core` can answer.
#[derive(Debug)]
pub(crate) enum Call {
    /// Save a container, and send the archive.
    Checkpoint(Box<CheckpointCall>),
    /// Make a container of the archive in the body.
    Restore(Box<RestoreOptions>),
}

#[derive(Debug)]
pub(crate) struct CheckpointCall {
    /// podman's path of the container, without the verb.
    pub(crate) path: String,
    /// All but where the archive goes.
    pub(crate) options: CheckpointOptions,
}

impl Call {
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Self> {
        if request.method() != Method::POST {
            return None;
        }
        let path = request.uri().path();
        let (container, verb) = path.rsplit_once('/')?;
        let name = name_in(container)?;
        let query = Query::parse(request.uri().query())?;
        match verb {
            "checkpoint" => {
                let (path, options) = (container.to_owned(), checkpoint(name, &query)?);
                Some(Call::Checkpoint(Box::new(CheckpointCall { path, options })))
            }
            "restore" => Some(Call::Restore(Box::new(restore(&query)?))),
            _ => None,
        }
    }
}

/// NAME of `/libpod/containers/NAME` or `/vVERSION/libpod/containers/NAME`.
fn name_in(path: &str) -> Option<&str> {
    let path = match path.strip_prefix("/v") {
        Some(versioned) => versioned.split_once('/').filter(|(version, _)| is_version(version))?.1,
        None => path.strip_prefix('/')?,
    };
    let name = path.strip_prefix("libpod/containers/")?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (!name.is_empty() && name.bytes().all(is_plain) && name != "." && name != "..").then_some(name)
}

/// The first number of the versions of podman whose API this is; the others are podman's to refuse.
fn is_version(version: &str) -> bool {
    let numbers: Vec<&str> = version.split('.').collect();
    let are_numbers =
        numbers.iter().all(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.len() <= 3 && are_numbers && matches!(numbers[0], "4" | "5")
}

/// What podman alone can do is none.
fn checkpoint(name: &str, query: &Query<'_>) -> Option<CheckpointOptions> {
    let is_podmans = query.flag("preCheckpoint")? || query.text("createImage").is_some();
    // It has no effect on an archive, but has to be a boolean.
    query.flag("printStats")?;
    let options = CheckpointOptions {
        container: name.to_owned(),
        leave_running: query.flag("leaveRunning")?,
        ignore_rootfs: query.flag("ignoreRootFS")?,
        ignore_volumes: query.flag("ignoreVolumes")?,
        keep: query.flag("keep")?,
        tcp_established: query.flag("tcpEstablished")?,
        file_locks: query.flag("fileLocks")?,
        with_previous: query.flag("withPrevious")?,
        ..CheckpointOptions::default()
    };
    (query.flag("export")? && !is_podmans).then_some(options)
}

fn restore(query: &Query<'_>) -> Option<RestoreOptions> {
    query.flag("printStats")?;
    let options = RestoreOptions {
        name: query.text("name").map(str::to_owned),
        ignore_rootfs: query.flag("ignoreRootFS")?,
        ignore_volumes: query.flag("ignoreVolumes")?,
        ignore_static_ip: query.flag("ignoreStaticIP")?,
        ignore_static_mac: query.flag("ignoreStaticMAC")?,
        tcp_established: query.flag("tcpEstablished")?,
        tcp_close: query.flag("tcpClose")?,
        file_locks: query.flag("fileLocks")?,
        keep: query.flag("keep")?,
        pod: query.text("pod").map(str::to_owned),
        publish: query.text("publishPorts").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        ..RestoreOptions::default()
    };
    query.flag("import")?.then_some(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, uri: &str) -> Option<Call> {
        Call::of(&Request::builder().method(method).uri(uri).body(()).unwrap())
    }

    #[test]
    fn checkpoints_to_an_archive_are_ours() {
        for uri in [
            "/libpod/containers/web/checkpoint?export=true",
            "/v5.0.0/libpod/containers/web/checkpoint?export=1&unknown=x",
            "http://d/v4.9.3/libpod/containers/web/checkpoint?EXPORT=t&leaveRunning=false",
        ] {
            assert!(
                matches!(call("POST", uri), Some(Call::Checkpoint(call)) if call.options.container == "web"),
                "{uri}"
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_podmans() {
        for uri in [
            "/libpod/containers/web/checkpoint",
            "/libpod/containers/web/checkpoint?export=maybe",
            "/libpod/containers/web/checkpoint?export=true&export=true",
            "/libpod/containers/web/checkpoint?export=true&preCheckpoint=true",
            "/libpod/containers/web/checkpoint?export=true&createImage=x",
            "/libpod/containers/web/checkpoint/?export=true",
            "/libpod/containers/a/b/checkpoint?export=true",
            "/libpod/containers/%2e%2e/checkpoint?export=true",
            "/libpod/containers/../checkpoint?export=true",
            "/containers/web/checkpoint?export=true",
            "/v1.40/libpod/containers/web/checkpoint?export=true",
            "/vx/libpod/containers/web/checkpoint?export=true",
            "/v5.0.0/libpod/containers/web/restore",
            "/v5.0.0/libpod/containers/web/restore?import=true&keep=2",
            "/v5.0.0/libpod/containers/web/start",
        ] {
            assert!(call("POST", uri).is_none(), "{uri}");
        }
        assert!(call("GET", "/libpod/containers/web/checkpoint?export=true").is_none());
    }

    #[test]
    fn a_restore_has_podmans_options() {
        let uri = "/v5.4.2/libpod/containers/import/restore?import=true&name=w&publishPorts=80%3A80+81%3A81&tcpClose=1&ignoreStaticIP=true";
        let Some(Call::Restore(options)) = call("POST", uri) else { panic!("it is ours") };
        assert_eq!(
            (options.name.as_deref(), &options.publish[..]),
            (Some("w"), &["80:80".to_owned(), "81:81".to_owned()][..])
        );
        assert!(options.tcp_close && options.ignore_static_ip && !options.keep);
    }
}
