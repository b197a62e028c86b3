//! Imports point down: no modules that need each other, and no lower floor that knows a higher one.
//!
//! A module is a file. It points to the module that defines what it names; a name that comes through a re-export
//! counts where it is defined. Declaring a child or re-exporting its names is a table of contents, not a use of it.

mod arrows;
mod circles;
mod names;
mod rules;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use arrows::Arrow;
use rules::Rules;
use source::Module;

#[test]
fn imports_of_aligntar_point_down() -> Result<()> {
    check(&rules::ALIGNTAR)
}

#[test]
fn imports_of_layerfs_point_down() -> Result<()> {
    check(&rules::LAYERFS)
}

#[test]
fn imports_of_ckpt_core_point_down() -> Result<()> {
    check(&rules::CKPT_CORE)
}

#[test]
fn imports_of_ckpt_images_point_down() -> Result<()> {
    check(&rules::CKPT_IMAGES)
}

#[test]
fn imports_of_criu_images_point_down() -> Result<()> {
    check(&rules::CRIU_IMAGES)
}

#[test]
fn imports_of_criu_pages_point_down() -> Result<()> {
    check(&rules::CRIU_PAGES)
}

#[test]
fn imports_of_ckpt_cli_point_down() -> Result<()> {
    check(&rules::CKPT_CLI)
}

#[test]
fn imports_of_ckpt_serve_point_down() -> Result<()> {
    check(&rules::CKPT_SERVE)
}

#[test]
fn imports_of_xtask_point_down() -> Result<()> {
    check(&rules::XTASK)
}

/// ARCHITECTURE.md draws the table of floors for people.
#[test]
fn the_architecture_has_the_same_floors() {
    let text = include_str!("../../../ARCHITECTURE.md");
    let section = text.split("\n## ").find(|section| section.starts_with("Floors")).unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let drawn: Vec<BTreeSet<&str>> = rows.map(|row| row.split('`').skip(1).step_by(2).collect()).collect();
    let floors: Vec<BTreeSet<&str>> =
        rules::CKPT_CORE.floors.iter().map(|floor| floor.iter().copied().collect()).collect();
    assert_eq!(drawn, floors);
}

fn check(rules: &Rules) -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    let faults = faults(rules, workspace)?;
    ensure!(faults.is_empty(), "{}:\n{}", rules.root, faults.join("\n"));
    Ok(())
}

fn faults(rules: &Rules, workspace: &Path) -> Result<Vec<String>> {
    let modules = source::read_crate(workspace, rules.root)?;
    let arrows = arrows::arrows(&modules);
    let rooms = arrows::between_rooms(&modules, &arrows);
    let mut faults = told_circles(&modules, &arrows, "");
    faults.extend(told_circles(&modules, &rooms, "::*"));
    faults.extend(wrong_floors(rules, &modules, &arrows));
    Ok(faults)
}

/// Each circle, and the arrows of one way around; `suffix` stands behind the names of its modules.
fn told_circles(modules: &[Module], arrows: &BTreeMap<(usize, usize), Arrow>, suffix: &str) -> Vec<String> {
    let tell = |circle: BTreeSet<usize>| {
        let mut names: Vec<String> = circle.iter().map(|module| modules[*module].name.clone() + suffix).collect();
        names.sort();
        let way = circles::way_around(&circle, arrows);
        let way: String = way.iter().map(|arrow| format!("\n    {}", line(modules, arrow))).collect();
        format!("  a circle: {}\n  one way around:{way}", names.join(", "))
    };
    circles::circles(modules.len(), arrows).into_iter().map(tell).collect()
}

fn wrong_floors(rules: &Rules, modules: &[Module], arrows: &BTreeMap<(usize, usize), Arrow>) -> Vec<String> {
    let rooms = &modules[0].children;
    let floor_of = |name: &str| rules.floors.iter().position(|floor| floor.contains(&name));
    let homeless = rooms.keys().filter(|name| floor_of(name).is_none());
    let mut faults: Vec<String> = homeless.map(|name| format!("  {name} has no floor in the table")).collect();
    let strangers = rules.floors.iter().copied().flatten().filter(|name| !rooms.contains_key(**name));
    faults.extend(strangers.map(|name| format!("  the table has {name}, which is no module")));

    let points_up = |arrow: &&Arrow| {
        let (from, to) = (modules[arrow.from].room(), modules[arrow.to].room());
        arrow.from != 0 && (arrow.to == 0 || floor_of(to) < floor_of(from))
    };
    faults.extend(arrows.values().filter(points_up).map(|arrow| format!("  points up: {}", line(modules, arrow))));
    faults
}

fn line(modules: &[Module], arrow: &Arrow) -> String {
    format!("{} -> {} at {arrow}", modules[arrow.from].name, modules[arrow.to].name)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const RULES: Rules = Rules { root: "src/lib.rs", floors: &[&["high"], &["low"]] };

    /// What is wrong with a crate of these files.
    fn faults_of(files: &[(&str, &str)]) -> Result<Vec<String>> {
        let folder = tempfile::tempdir()?;
        for (name, text) in files {
            let path = folder.path().join("src").join(name);
            fs::create_dir_all(path.parent().context("below src")?)?;
            fs::write(path, text)?;
        }
        faults(&RULES, folder.path())
    }

    #[test]
    fn a_circle_is_told_with_every_arrow_and_its_line() -> Result<()> {
        let faults = faults_of(&[
            ("lib.rs", "mod high;\nmod low;"),
            ("high.rs", "mod a;\nmod b;"),
            ("high/a.rs", "use super::b::B;\npub struct A(B);"),
            ("high/b.rs", "pub struct B;\npub fn f(_: &crate::high::a::A) {}"),
            ("low.rs", ""),
        ])?;
        let told = "  a circle: high::a, high::b\n  one way around:\
            \n    high::a -> high::b at src/high/a.rs:1: super::b::B\
            \n    high::b -> high::a at src/high/b.rs:2: crate::high::a::A";
        assert_eq!(faults, [told]);
        Ok(())
    }

    #[test]
    fn an_arrow_that_points_up_is_told() -> Result<()> {
        let low = "pub fn f() { println!(\"{}\", crate::high::f()); }";
        let faults = faults_of(&[("lib.rs", "mod high; mod low;"), ("high.rs", "pub fn f() {}"), ("low.rs", low)])?;
        assert_eq!(faults, ["  points up: low -> high at src/low.rs:1: crate::high::f"]);
        Ok(())
    }

    #[test]
    fn tests_and_tables_of_contents_are_no_arrows() -> Result<()> {
        let files = [
            ("lib.rs", "mod high; mod low; pub use low::Low;"),
            ("high.rs", "mod part; pub use part::Part; pub struct High;"),
            ("high/part.rs", "pub struct Part(super::High, crate::Low);"),
            ("low.rs", "pub struct Low;\n#[cfg(test)] mod tests { use crate::high::High; }"),
        ];
        assert_eq!(faults_of(&files)?, [""; 0]);
        Ok(())
    }

    #[test]
    fn the_table_must_name_what_is_there_and_nothing_else() -> Result<()> {
        let faults = faults_of(&[("lib.rs", "mod high; mod new;"), ("high.rs", ""), ("new.rs", "")])?;
        assert_eq!(faults, ["  new has no floor in the table", "  the table has low, which is no module"]);
        Ok(())
    }
}
