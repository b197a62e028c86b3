//! Which ignored test runs in the lab of which file system.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::vec::IntoIter;

use serde::{Deserialize, Serialize};

use crate::lab::FileSystem;

/// A test marked `#[ignore]`, and the program that has it.
pub(super) struct IgnoredTest {
    pub(super) program: PathBuf,
    /// The package's folder, in which cargo starts its tests.
    pub(super) directory: PathBuf,
    /// Of the program or of its module, see `programs`.
    pub(super) group: String,
    /// Whether the program is one of `tests/`.
    pub(super) integration: bool,
    pub(super) name: String,
}

impl IgnoredTest {
    /// Whether it takes minutes alone, by its name.
    pub(super) fn is_long(&self) -> bool {
        self.name().starts_with("long_")
    }

    /// Without its modules.
    fn name(&self) -> &str {
        self.name.rsplit("::").next().unwrap_or(&self.name)
    }
}

/// Some tests of one program.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(super) group: String,
    pub(super) program: PathBuf,
    pub(super) directory: PathBuf,
    pub(super) tests: Vec<String>,
}

impl Run {
    pub(super) fn title(&self) -> String {
        let package = self.directory.file_name().unwrap_or_default();
        format!("{} of {}", self.group, package.display())
    }
}

/// What one lab runs; handed to it as one argument in JSON.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Runs(pub(super) Vec<Run>);

impl FromStr for Runs {
    type Err = serde_json::Error;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(json)
    }
}

impl Runs {
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(|run| run.tests.iter().map(|test| full_name(&run.group, test)))
    }

    /// How many tests there are.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|run| run.tests.len()).sum()
    }

    /// The tests that have one of these names, whichever their programs.
    pub(super) fn only(&self, names: &[String]) -> Runs {
        let named = |run: &Run| {
            let tests = run.tests.iter().filter(|test| names.contains(test)).cloned().collect();
            Run { tests, ..run.clone() }
        };
        Runs(self.0.iter().map(named).filter(|run| !run.tests.is_empty()).collect())
    }

    /// Whether one of the tests has this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|run| run.tests.iter().any(|test| test == name))
    }

    /// So many groups at a time.
    pub(super) fn parts(self, groups: usize) -> IntoIter<Runs> {
        self.0.chunks(groups).map(|part| Runs(part.to_vec())).collect::<Vec<_>>().into_iter()
    }

    fn add(&mut self, test: &IgnoredTest) {
        match self.0.last_mut() {
            Some(run) if run.program == test.program && run.group == test.group => run.tests.push(test.name.clone()),
            _ => self.0.push(Run {
                group: test.group.clone(),
                program: test.program.clone(),
                directory: test.directory.clone(),
                tests: vec![test.name.clone()],
            }),
        }
    }
}

/// A test's own name may begin with its group.
fn full_name(group: &str, test: &str) -> String {
    match test.starts_with(group) {
        true => test.to_owned(),
        false => format!("{group}::{test}"),
    }
}

pub(super) struct Plan {
    labs: BTreeMap<FileSystem, Runs>,
    names: Vec<String>,
}

impl Plan {
    pub(super) fn new(tests: Vec<IgnoredTest>) -> Self {
        let mut labs = BTreeMap::<FileSystem, Runs>::new();
        for test in &tests {
            for &fs in file_systems(test) {
                labs.entry(fs).or_default().add(test);
            }
        }
        let names = tests.iter().map(|test| full_name(&test.group, &test.name)).collect();
        Self { labs, names }
    }

    /// How many tests there are; one that runs on two file systems is one.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn by_file_system(&self) -> impl Iterator<Item = (FileSystem, &Runs)> {
        self.labs.iter().map(|(&fs, runs)| (fs, runs))
    }
}

/// Tests of groups named `lab*` use podman, so podman's storage has to be on the
/// file system that is tested: the one their name starts with, or both that
/// have reflink. Others find all three at /mnt and run once.
fn file_systems(test: &IgnoredTest) -> &'static [FileSystem] {
    if !(test.integration && test.group.starts_with("lab")) {
        return &[FileSystem::Btrfs];
    }
    match test.name().trim_start_matches("long_").split('_').next() {
        Some("btrfs") => &[FileSystem::Btrfs],
        Some("xfs") => &[FileSystem::Xfs],
        Some("ext4") => &[FileSystem::Ext4],
        _ => &[FileSystem::Btrfs, FileSystem::Xfs],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(group: &str, integration: bool, name: &str) -> IgnoredTest {
        IgnoredTest {
            program: group.into(),
            directory: "package".into(),
            group: group.into(),
            integration,
            name: name.into(),
        }
    }

    #[test]
    fn a_name_chooses_its_file_systems() {
        use FileSystem::{Btrfs, Ext4, Xfs};
        let cases: [(IgnoredTest, &[FileSystem]); 8] = [
            (test("lab_smoke", true, "restore"), &[Btrfs, Xfs]),
            (test("lab_smoke", true, "lab_smoke::xfs_only"), &[Xfs]),
            (test("lab", true, "btrfs_only"), &[Btrfs]),
            (test("lab", true, "long_btrfs_only"), &[Btrfs]),
            (test("lab", true, "ext4_copies"), &[Ext4]),
            (test("lab", false, "ext4_copies"), &[Btrfs]),
            (test("clone", true, "privileged_xfs_clone"), &[Btrfs]),
            (test("clone", true, "xfs_clone"), &[Btrfs]),
        ];
        for (test, expected) in cases {
            assert_eq!(file_systems(&test), expected, "{}", test.name);
        }
    }

    #[test]
    fn tests_of_one_program_run_together_in_each_lab() {
        let plan = Plan::new(vec![
            test("lab", true, "both"),
            test("lab", true, "xfs_one"),
            test("pack", true, "privileged_pack"),
        ]);
        let planned: Vec<(FileSystem, Vec<String>)> =
            plan.by_file_system().map(|(fs, runs)| (fs, runs.names().collect())).collect();
        assert_eq!(plan.len(), 3);
        assert_eq!(
            planned,
            [
                (FileSystem::Btrfs, vec!["lab::both".into(), "pack::privileged_pack".into()]),
                (FileSystem::Xfs, vec!["lab::both".into(), "lab::xfs_one".into()]),
            ]
        );
    }

    #[test]
    fn tests_are_chosen_by_name() {
        let plan = Plan::new(vec![test("a", true, "one"), test("a", true, "two"), test("b", true, "three")]);
        let (_, runs) = plan.by_file_system().next().unwrap();
        let chosen = runs.only(&["two".into(), "b left containers x".into()]);
        assert_eq!((chosen.names().collect::<Vec<_>>(), chosen.len()), (vec!["a::two".into()], 1));
        assert!(chosen.has("two") && !chosen.has("one"));
    }

    #[test]
    fn parts_have_whole_groups() {
        let plan = Plan::new(vec![test("a", true, "one"), test("a", true, "two"), test("b", true, "three")]);
        let (_, runs) = plan.by_file_system().next().unwrap();
        let parts = |groups| runs.clone().parts(groups).map(|part| part.len()).collect::<Vec<_>>();
        assert_eq!((parts(1), parts(2)), (vec![2, 1], vec![3]));
    }
}
