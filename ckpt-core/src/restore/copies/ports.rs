//! Ports of the host: each copy needs its own.

use schemars::JsonSchema;
use serde::Serialize;

use super::template::Template;
use crate::archive::PortMapping;
use crate::engine::{ContainerFacts, HostPort};
use crate::restore::error::RestoreError;

/// A port of a container, and where the host publishes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PublishedPort {
    /// With its protocol, as `80/tcp`.
    pub container: String,
    /// The host's address; empty for all.
    pub host_ip: String,
    /// The host's port.
    pub host_port: String,
}

/// What podman is to publish for the copy `number`: as the `templates` say, or else the ports that the original
/// published, each at one that is free.
pub(super) fn of_copy(
    templates: &[Template],
    number: u32,
    original: &[PortMapping],
) -> Result<Vec<String>, RestoreError> {
    match templates {
        [] => Ok(original.iter().flat_map(at_free_ports).collect()),
        templates => templates.iter().map(|template| add_up(&template.of(number))).collect(),
    }
}

/// podman looks for a free port where none is given.
fn at_free_ports(mapping: &PortMapping) -> impl Iterator<Item = String> {
    let PortMapping { host_ip, container_port, range, protocol } = mapping.clone();
    let host = match &host_ip[..] {
        "" => String::new(),
        ip if ip.contains(':') => format!("[{ip}]::"),
        ip => format!("{ip}::"),
    };
    let protocol = if protocol.is_empty() { "tcp".to_owned() } else { protocol };
    let ports = container_port..=container_port.saturating_add(range.max(1) - 1);
    ports.map(move |port| format!("{host}{port}/{protocol}"))
}

/// `8080+3:80` is `8083:80`.
fn add_up(publish: &str) -> Result<String, RestoreError> {
    let part = |part: &str| match part.split_once('+') {
        Some((first, second)) => match (first.parse::<u32>(), second.parse::<u32>()) {
            (Ok(first), Ok(second)) => {
                let port = u64::from(first) + u64::from(second);
                let publish = publish.to_owned();
                u16::try_from(port).map(|port| port.to_string()).map_err(|_| RestoreError::NoPort { publish, port })
            }
            // As it is, it is no port.
            _ => Ok(part.to_owned()),
        },
        None => Ok(part.to_owned()),
    };
    Ok(publish.split(':').map(part).collect::<Result<Vec<_>, _>>()?.join(":"))
}

/// Those that podman publishes for a container.
pub(super) fn published(facts: &ContainerFacts) -> Vec<PublishedPort> {
    let ports = facts.network_settings.ports.iter().flatten();
    let of_port = |(container, places): (&String, &Option<Vec<_>>)| {
        let container = container.clone();
        places.clone().unwrap_or_default().into_iter().map(move |place: HostPort| PublishedPort {
            container: container.clone(),
            host_ip: if place.host_ip == "0.0.0.0" { String::new() } else { place.host_ip },
            host_port: place.host_port,
        })
    };
    ports.flat_map(of_port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_copy_has_ports_of_its_own() {
        let publish = |template: &str| of_copy(&[template.parse().unwrap()], 3, &[]);
        for (template, expected) in [
            ("808{n}:80", "8083:80"),
            ("8080+{n}:80", "8083:80"),
            ("127.0.0.1:8080+{n}:80/udp", "127.0.0.1:8083:80/udp"),
            ("[::1]:9000+{n}:80", "[::1]:9003:80"),
            ("80", "80"),
        ] {
            assert_eq!(publish(template).unwrap(), [expected], "{template}");
        }
        assert!(matches!(publish("65533+{n}:80"), Err(RestoreError::NoPort { port: 65536, .. })));
    }

    #[test]
    fn ports_of_the_original_get_free_ones() {
        let mapping = |json| serde_json::from_value::<PortMapping>(json).unwrap();
        let original = [
            mapping(serde_json::json!({"container_port": 80, "host_port": 8080, "range": 2, "protocol": "tcp"})),
            mapping(serde_json::json!({"container_port": 53, "host_ip": "127.0.0.1", "protocol": "udp"})),
            mapping(serde_json::json!({"container_port": 99, "host_ip": "::1"})),
        ];
        let expected = ["80/tcp", "81/tcp", "127.0.0.1::53/udp", "[::1]::99/tcp"];
        assert_eq!(of_copy(&[], 1, &original).unwrap(), expected);
    }
}
