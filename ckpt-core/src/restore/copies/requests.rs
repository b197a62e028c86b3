//! What is asked of each copy, decided before the first is begun.

use super::options::CopiesOptions;
use super::ports;
use super::template::Template;
use crate::archive::ContainerConfig;
use crate::restore::checks;
use crate::restore::error::RestoreError;
use crate::restore::options::RestoreOptions;
use crate::restore::planned_volumes::{self, PlannedVolume};
use crate::restore::publication::Publication;

/// Copies of one command: more than a host of today runs, and few enough to look at their names and ports at once.
const MOST: u32 = 4096;

/// What is asked of one copy.
#[derive(Debug)]
pub(super) struct Request {
    /// From 1.
    pub(super) number: u32,
    pub(super) name: String,
    pub(super) options: RestoreOptions,
    pub(super) volumes: Vec<PlannedVolume>,
}

/// Refuses what can be refused of the copies of `original` before its archive is there.
pub(super) fn check(copies: &CopiesOptions, original: &str) -> Result<(), RestoreError> {
    let name = names(copies, original)?;
    let mut published = Vec::new();
    for number in 1..=copies.count.get() {
        checks::check_name(Some(&name.of(number)))?;
        for publish in ports::of_copy(&copies.publish, number, &[])? {
            let read = Publication::read(&publish);
            let read = read.map_err(|source| RestoreError::Publish { publish: publish.clone(), source })?;
            if let Some(port) = read.iter().find_map(|one| published.iter().find_map(|other| one.in_common(other))) {
                return Err(RestoreError::PublishedTwice { publish, port });
            }
            published.extend(read);
        }
    }
    Ok(())
}

/// Of all copies, in their order.
pub(super) fn of(
    options: &RestoreOptions,
    copies: &CopiesOptions,
    config: &ContainerConfig,
) -> Result<Vec<Request>, RestoreError> {
    let name = names(copies, &config.name)?;
    (1..=copies.count.get()).map(|number| request(number, &name, options, copies, config)).collect()
}

/// What the copies of `original` are called.
fn names(copies: &CopiesOptions, original: &str) -> Result<Template, RestoreError> {
    let name = match &copies.name {
        Some(name) => name.clone(),
        None => Template::numbered(original),
    };
    let count = copies.count.get();
    if count > MOST {
        return Err(RestoreError::TooManyCopies { count, most: MOST });
    }
    match count > 1 && !name.has_number() {
        true => Err(RestoreError::OneName { name: name.word().to_owned(), count }),
        false => Ok(name),
    }
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
        tcp_close: !options.tcp_established,
        ..options.clone()
    };
    checks::check_name(Some(&name))?;
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
        assert!(matches!(names(MOST + 1, None), Err(RestoreError::TooManyCopies { .. })));
        assert!(matches!(names(2, Some("w")), Err(RestoreError::OneName { count: 2, .. })));
        assert!(matches!(names(2, Some("-{n}")), Err(RestoreError::NoName { .. })));
    }

    #[test]
    fn what_cannot_be_is_refused_before_there_is_an_archive() {
        let refused = |name: Option<&str>, publish: &[&str]| {
            let mut copies = CopiesOptions::new(NonZeroU32::new(3).unwrap());
            copies.name = name.map(|name| name.parse().unwrap());
            copies.publish = publish.iter().map(|publish| publish.parse().unwrap()).collect();
            check(&copies, "web").map_err(|error| error.to_string())
        };
        assert_eq!(refused(Some("w{n}"), &["8080+{n}:80", "127.0.0.1:9000+{n}:90", "53/udp"]), Ok(()));
        for (name, publish, expected) in [
            (Some("w"), &[][..], "not 3"),
            (Some("/{n}"), &[], "no name"),
            (None, &["nonsense"], "cannot be published"),
            (None, &["65533+{n}:80"], "above 65535"),
            (None, &["8080:80"], "port 8080 twice"),
            (None, &["8080+{n}:80", "8081+{n}:81"], "port 8082 twice"),
        ] {
            let said = refused(name, publish).unwrap_err();
            assert!(said.contains(expected), "{said}");
        }
    }
}
