//! Sockets of a service on this host: `unix:///PATH`, or a path.

use std::path::PathBuf;
use std::str::FromStr;

#[derive(Clone, Debug)]
pub(crate) struct SocketArgument(pub(crate) PathBuf);

impl FromStr for SocketArgument {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let path = word.strip_prefix("unix://").unwrap_or(word);
        match path {
            "" => Err("no path is given".to_owned()),
            _ if path.contains("://") => Err("only sockets of this host are served: unix:///PATH".to_owned()),
            _ => Ok(SocketArgument(path.into())),
        }
    }
}
