//! What devices of the specification grant.

use serde::Deserialize;

use crate::container::privileges::Privilege;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Device {
    path: String,
    #[serde(rename = "type")]
    kind: String,
    major: i64,
    minor: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resources {
    devices: Vec<DeviceRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DeviceRule {
    allow: bool,
    #[serde(rename = "type")]
    kind: String,
    major: Option<i64>,
    minor: Option<i64>,
}

/// The devices that the container gets, and those that its cgroup allows it besides.
pub(super) fn privileges(devices: &[Device], resources: &Resources) -> Vec<Privilege> {
    let node = |device: &Device| Privilege::Device {
        path: device.path.clone(),
        number: format!("{} {}:{}", device.kind, device.major, device.minor),
    };
    let nodes: Vec<Privilege> = devices.iter().map(node).collect();
    let allowed = resources.devices.iter().filter(|rule| rule.allow);
    let is_all =
        |rule: &DeviceRule| rule.major.is_none_or(|major| major < 0) && rule.minor.is_none_or(|minor| minor < 0);
    let number = |number: Option<i64>| number.filter(|number| *number >= 0).map_or("*".into(), |it| it.to_string());
    let rule = |rule: &DeviceRule| match is_all(rule) {
        true => Privilege::AllDevices,
        false => Privilege::Device {
            path: "allowed:".into(),
            number: format!("{} {}:{}", rule.kind, number(rule.major), number(rule.minor)),
        },
    };
    // A device's own rule says nothing new.
    let is_new = |privilege: &Privilege| match privilege {
        Privilege::Device { number, .. } => {
            !nodes.iter().any(|node| matches!(node, Privilege::Device { number: known, .. } if known == number))
        }
        _ => true,
    };
    let rules: Vec<Privilege> = allowed.map(rule).filter(is_new).collect();
    nodes.iter().cloned().chain(rules).collect()
}
