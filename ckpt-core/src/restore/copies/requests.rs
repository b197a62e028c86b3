//! What is asked of each copy, decided before the first is begun.

use super::options::CopiesOptions;
use super::ports;
use super::template::Template;
use crate::archive::ContainerConfig;
use crate::restore::checks;
use crate::restore::error::RestoreError;
use crate::restore::options::RestoreOptions;
use crate::restore::planned_volumes::{self, PlannedVolume};

/// What is asked of one copy.
#[derive(Debug)]
pub(super) struct Request {
    /// From 1.
    pub(super) number: u32,
    pub(super) name: String,
    pub(super) options: RestoreOptions,
    pub(super) volumes: Vec<PlannedVolume>,
}

/// Of all copies, in their order.
pub(super) fn of(
    options: &RestoreOptions,
    copies: &CopiesOptions,
    config: &ContainerConfig,
) -> Result<Vec<Request>, RestoreError> {
    let name = match &copies.name {
        Some(name) => name.clone(),
        // podman gives no name with a brace in it.
        None => format!("{}-{{n}}", config.name).parse().expect("a name with a place for the number"),
    };
    let count = copies.count.get();
    if count > 1 && !name.has_number() {
        return Err(RestoreError::OneName { name: name.word().to_owned(), count });
    }
    (1..=count).map(|number| request(number, &name, options, copies, config)).collect()
}

fn request(
    number: u32,
    name: &Template,
    options: &RestoreOptions,
    copies: &CopiesOptions,
    config: &ContainerConfig,
) -> Result<Request, RestoreError> {
    let name = name.of(number);
    let options = RestoreOptions {
        name: Some(name.clone()),
        publish: ports::of_copy(&copies.publish, number, config.ports.as_deref().unwrap_or_default())?,
        // What the original was started with is the original's.
        ignore_static_ip: true,
        ignore_static_mac: true,
        tcp_established: false,
        tcp_close: true,
        ..options.clone()
    };
    checks::check_name(&options)?;
    let volumes = planned_volumes::of_copy(&name, copies.volumes, config).map_err(RestoreError::Random)?;
    Ok(Request { number, name, options, volumes })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn names(count: u32, name: Option<&str>) -> Result<Vec<String>, RestoreError> {
        let config = serde_json::from_value(serde_json::json!({"id": "", "name": "web"})).unwrap();
        let mut copies = CopiesOptions::new(NonZeroU32::new(count).unwrap());
        copies.name = name.map(|name| name.parse().unwrap());
        let requests = of(&RestoreOptions::default(), &copies, &config)?;
        Ok(requests.into_iter().map(|request| request.name).collect())
    }

    #[test]
    fn each_copy_has_a_name_of_its_own() {
        assert_eq!(names(2, None).unwrap(), ["web-1", "web-2"]);
        assert_eq!(names(2, Some("w{n:02}")).unwrap(), ["w01", "w02"]);
        assert_eq!(names(1, Some("w")).unwrap(), ["w"]);
        assert!(matches!(names(2, Some("w")), Err(RestoreError::OneName { count: 2, .. })));
        assert!(matches!(names(2, Some("-{n}")), Err(RestoreError::NoName { .. })));
    }
}
