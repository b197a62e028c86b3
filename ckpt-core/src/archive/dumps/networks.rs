//! The networks in `config.dump`, which every podman is to understand.
//!
//! podman 4 and 5 note networks by name, in `newNetworks`. podman 6 notes them in order, in `orderedNetworks`. Neither reads
//! the other's field.

use crate::archive::go_json::Json;

/// Puts the networks into both fields, if one of them has any.
pub(super) fn tell_in_both_forms(config: &mut Json) {
    let (named, ordered) = ("newNetworks", "orderedNetworks");
    match (config.entries(named).is_empty(), config.items(ordered).is_empty()) {
        (true, false) => {
            let pairs = config.items(ordered).iter().filter_map(|network| {
                let mut options = network.clone();
                let name = options.remove("name")?.into_text()?;
                Some((name, options))
            });
            config.set(named, Json::Object(pairs.collect()));
        }
        (false, true) => {
            let networks = config.entries(named).into_iter().map(|(name, options)| {
                let mut network = options.clone();
                network.set("name", Json::Text(name.to_owned()));
                network
            });
            config.set(ordered, Json::List(networks.collect()));
        }
        _ => {}
    }
}
