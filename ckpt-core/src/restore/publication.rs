//! What podman is to publish, read as podman reads it: `[[IP:][PORT]:]PORT[/PROTOCOL]`, where PORT may be a range
//! (podman-run(1), "--publish"; podman, `CreatePortBindings` in pkg/specgenutil/util.go).
//!
//! podman would say what is wrong with it as well, but only when a container has stood still for its copies.

use std::net::IpAddr;
use std::ops::RangeInclusive;

/// A port, or a range of them, of a container at the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Publication {
    /// None for all addresses.
    host_ip: Option<IpAddr>,
    /// None for ones that are free.
    host_ports: Option<RangeInclusive<u16>>,
    protocol: Protocol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

/// Why podman would not take it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicationError {
    /// It has too many parts, or too few for an address.
    #[error("it is not [[IP:][PORT]:]PORT[/PROTOCOL]; an IPv6 address stands in brackets")]
    Form,
    /// A part that should be a port.
    #[error("{0:?} is no port from 1 to 65535, and no range of them")]
    Port(String),
    /// A part that should be an address.
    #[error("{0:?} is no IP address")]
    Ip(String),
    /// A part that should be a protocol.
    #[error("{0:?} is none of tcp, udp and sctp")]
    Protocol(String),
    /// Two ranges.
    #[error("the ranges of the host and of the container differ in length")]
    Lengths,
}

impl Publication {
    /// All that are in `words`: podman splits them at commas.
    pub(super) fn read(words: &str) -> Result<Vec<Self>, PublicationError> {
        words.split(',').map(Self::read_one).collect()
    }

    fn read_one(word: &str) -> Result<Self, PublicationError> {
        let (places, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
        let protocol = match &protocol.to_ascii_lowercase()[..] {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => return Err(PublicationError::Protocol(protocol.to_owned())),
        };
        let (host_ip, ports) = address(places)?;
        let ports: Vec<&str> = ports.split(':').collect();
        let (host, container) = match ports[..] {
            [container] if host_ip.is_none() => (None, container),
            [host, container] => (Some(host).filter(|host| !host.is_empty()), container),
            _ => return Err(PublicationError::Form),
        };
        let (host_ports, container_ports) = (host.map(range).transpose()?, range(container)?);
        if host_ports.as_ref().is_some_and(|host| host.len() != container_ports.len()) {
            return Err(PublicationError::Lengths);
        }
        Ok(Publication { host_ip: host_ip.filter(|ip| !ip.is_unspecified()), host_ports, protocol })
    }

    /// A port of the host that both would have.
    pub(super) fn in_common(&self, other: &Self) -> Option<u16> {
        let is_one_address = match (self.host_ip, other.host_ip) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        if !is_one_address || self.protocol != other.protocol {
            return None;
        }
        let (ours, theirs) = (self.host_ports.as_ref()?, other.host_ports.as_ref()?);
        let first = *ours.start().max(theirs.start());
        (first <= *ours.end().min(theirs.end())).then_some(first)
    }
}

/// The address in front, and what follows its colon.
fn address(places: &str) -> Result<(Option<IpAddr>, &str), PublicationError> {
    let (address, ports) = match places.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once("]:").ok_or(PublicationError::Form)?,
        None if places.matches(':').count() == 2 => places.split_once(':').ok_or(PublicationError::Form)?,
        None => return Ok((None, places)),
    };
    let ip = address.parse().map_err(|_| PublicationError::Ip(address.to_owned()))?;
    Ok((Some(ip), ports))
}

/// `80`, or `8000-8010`.
fn range(text: &str) -> Result<RangeInclusive<u16>, PublicationError> {
    let error = || PublicationError::Port(text.to_owned());
    let port = |text: &str| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|&port: &u16| is_number && port > 0)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let ports = port(first).ok_or_else(error)?..=port(last).ok_or_else(error)?;
    if ports.is_empty() { Err(error()) } else { Ok(ports) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_podman_takes_is_taken() {
        for (word, ip, ports) in [
            ("80", None, None),
            ("8080:80", None, Some(8080..=8080)),
            (":80/udp", None, None),
            ("0.0.0.0:8080:80/TCP", None, Some(8080..=8080)),
            ("127.0.0.1::80", Some("127.0.0.1"), None),
            ("[::1]:8000-8002:80-82/sctp", Some("::1"), Some(8000..=8002)),
        ] {
            let [read] = &Publication::read(word).unwrap()[..] else { panic!("{word}") };
            assert_eq!(read.host_ip, ip.map(|ip| ip.parse().unwrap()), "{word}");
            assert_eq!(read.host_ports, ports, "{word}");
        }
        assert_eq!(Publication::read("80,443/udp").unwrap().len(), 2);
    }

    #[test]
    fn what_podman_refuses_is_refused() {
        let port = |text: &str| PublicationError::Port(text.to_owned());
        for (word, expected) in [
            ("nonsense", port("nonsense")),
            ("", port("")),
            ("8080:", port("")),
            ("0:80", port("0")),
            ("65536:80", port("65536")),
            ("+1:80", port("+1")),
            ("9-8:80-81", port("9-8")),
            ("1-3:80", PublicationError::Lengths),
            ("localhost:1:80", PublicationError::Ip("localhost".to_owned())),
            (":1:80", PublicationError::Ip(String::new())),
            ("80/http", PublicationError::Protocol("http".to_owned())),
            ("80/tcp/udp", PublicationError::Protocol("tcp/udp".to_owned())),
            ("[::1]:80", PublicationError::Form),
            ("[::1]8080:80", PublicationError::Form),
            ("::1:8080:80", PublicationError::Form),
        ] {
            assert_eq!(Publication::read(word).unwrap_err(), expected, "{word}");
        }
    }

    #[test]
    fn a_port_of_one_address_is_published_once() {
        let of = |word: &str| Publication::read(word).unwrap().remove(0);
        for (one, other, expected) in [
            ("8080:80", "8080:81", Some(8080)),
            ("8080:80", "127.0.0.1:8080:80", Some(8080)),
            ("1-9:1-9", "5-6:1-2", Some(5)),
            ("8080:80", "8080:80/udp", None),
            ("127.0.0.1:8080:80", "127.0.0.2:8080:80", None),
            ("80", "80", None),
            ("8080:80", "8081:80", None),
        ] {
            assert_eq!(of(one).in_common(&of(other)), expected, "{one} {other}");
            assert_eq!(of(other).in_common(&of(one)), expected, "{other} {one}");
        }
    }
}
