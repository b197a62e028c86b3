//! The networks in `config.dump`, which every podman is to understand.
//!
//! podman 4 and 5 note networks by name, in `newNetworks`. podman 6 notes them in order, in `orderedNetworks`. Neither reads
//! the other's field.

use crate::archive::go_json::Json;

const NAMED: &str = "newNetworks";
const ORDERED: &str = "orderedNetworks";

/// Leaves out what the container is called there.
pub(super) fn forget_aliases(config: &mut Json) {
    if let Some(Json::Object(networks)) = config.field_mut(NAMED) {
        networks.values_mut().for_each(|network| drop(network.remove("aliases")));
    }
    for network in config.items_mut(ORDERED).into_iter().flatten() {
        network.remove("aliases");
    }
}

/// Puts the networks into both fields, if one of them has any.
pub(super) fn tell_in_both_forms(config: &mut Json) {
    match (config.entries(NAMED).is_empty(), config.items(ORDERED).is_empty()) {
        (true, false) => {
            let pairs = config.items(ORDERED).iter().filter_map(|network| {
                let mut options = network.clone();
                let name = options.remove("name")?.into_text()?;
                Some((name, options))
            });
            config.set(NAMED, Json::Object(pairs.collect()));
        }
        (false, true) => {
            let networks = config.entries(NAMED).into_iter().map(|(name, options)| {
                let mut network = options.clone();
                network.set("name", Json::Text(name.to_owned()));
                network
            });
            config.set(ORDERED, Json::List(networks.collect()));
        }
        _ => {}
    }
}
