//! One hostile archive, and what must come of it in every way of unpacking.

use std::path::Path;

use aligntar::{UnpackOptions, XattrFilter};

use crate::archive::Archive;
use crate::world::{Way, World};

pub(crate) struct Case {
    name: &'static str,
    archive: Box<dyn Fn(Archive) -> Archive>,
    before: fn(&World),
    refused: Option<&'static str>,
    refused_stream: Option<&'static str>,
    refused_on: Option<&'static str>,
    left: Option<Vec<&'static str>>,
    keep_xattr: Option<XattrFilter<'static>>,
    owner: bool,
    also: fn(&World),
    going_on: Option<(Vec<&'static str>, Vec<&'static str>)>,
}

/// A case that nothing is expected of yet.
pub(crate) fn case(name: &'static str, archive: impl Fn(Archive) -> Archive + 'static) -> Case {
    Case {
        name,
        archive: Box::new(archive),
        before: |_| (),
        refused: None,
        refused_stream: None,
        refused_on: None,
        left: None,
        keep_xattr: None,
        owner: false,
        also: |_| (),
        going_on: None,
    }
}

impl Case {
    /// What is there before.
    pub(crate) fn before(self, before: fn(&World)) -> Self {
        Case { before, ..self }
    }

    /// The first error, by its short name; otherwise there is none.
    pub(crate) fn refused(self, why: &'static str) -> Self {
        Case { refused: Some(why), refused_stream: Some(why), ..self }
    }

    /// That of a stream, where it is another.
    pub(crate) fn refused_in_stream(self, why: &'static str) -> Self {
        Case { refused_stream: Some(why), ..self }
    }

    /// That of the same member where members that fail do not end it, where it is another one.
    pub(crate) fn and_going_on(self, why: &'static str) -> Self {
        Case { refused_on: Some(why), ..self }
    }

    /// All that is in the target afterwards, see [`World::list`].
    pub(crate) fn leaves(self, left: &[&'static str]) -> Self {
        Case { left: Some(left.to_vec()), ..self }
    }

    /// Every extended attribute is asked for.
    pub(crate) fn keeping_xattrs(self) -> Self {
        Case { keep_xattr: Some(&|_| true), ..self }
    }

    /// Owners are asked for.
    pub(crate) fn keeping_owners(self) -> Self {
        Case { owner: true, ..self }
    }

    /// All errors that are told, and all that is in the target afterwards, where members that fail do not end it. By default
    /// the first error is told as well, and directories have their modes.
    pub(crate) fn going_on(self, errors: &[&'static str], left: &[&'static str]) -> Self {
        Case { going_on: Some((errors.to_vec(), left.to_vec())), ..self }
    }

    /// Asserts what a list does not show.
    pub(crate) fn also(self, also: fn(&World)) -> Self {
        Case { also, ..self }
    }

    /// What went wrong in `way`, if anything.
    fn run(&self, folder: &Path, way: Way) -> Option<String> {
        let world = World::new(folder);
        (self.before)(&world);
        let archive = (self.archive)(Archive::new(&world.path("outside"))).finish();
        let outside = world.outside();
        let mut options = UnpackOptions { owner: self.owner, ..UnpackOptions::default() };
        options.keep_xattr = self.keep_xattr.unwrap_or(options.keep_xattr);
        let errors = way.unpack(&archive, &world, options);
        (self.also)(&world);
        let (refused, left) = (if way.is_stream { self.refused_stream } else { self.refused }, world.list());
        let untouched = world.outside() == outside;
        let is_as_expected = match (way.goes_on, &self.going_on) {
            (false, _) => {
                errors.first().map(String::as_str) == refused
                    && self.left.as_ref().is_none_or(|expected| left == *expected)
            }
            (true, Some((expected, expected_left))) => errors == *expected && left == *expected_left,
            (true, None) => match self.refused_on.or(refused) {
                Some(refused) => {
                    errors.iter().any(|error| error == refused) && !left.iter().any(|line| line.ends_with("/ (700)"))
                }
                None => errors.is_empty() && self.left.as_ref().is_none_or(|expected| left == *expected),
            },
        };
        let (name, expected) = (self.name, if way.goes_on { &None } else { &self.left });
        (!is_as_expected || !untouched).then(|| {
            format!("{name:?}, {way:?}: {errors:?} for {refused:?}, {left:?} for {expected:?}, untouched: {untouched}")
        })
    }
}

/// Runs the table; names are what a failure is found by, so no two are the same.
pub(crate) fn run(cases: &[Case], folder: &Path) {
    let mut names: Vec<_> = cases.iter().map(|case| case.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    let ways: Vec<_> = Way::all().collect();
    let failed = cases.iter().flat_map(|case| ways.iter().filter_map(|&way| case.run(folder, way)));
    let failed: Vec<_> = failed.collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
