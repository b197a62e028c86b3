//! The saves of a container as bars: how large each is, and how much of it is its own.

use std::env;
use std::fmt::Write;

use ckpt_core::history::{Listed, ListedSave};
use indicatif::HumanBytes;
use jiff::Timestamp;

use super::age::age;

/// Cells of the longest bar, so that a line has 60 columns.
const CELLS: u64 = 20;

/// What bars are made of.
pub(super) struct Ink {
    own: &'static str,
    shared: &'static str,
}

const BLOCKS: Ink = Ink { own: "█", shared: "░" };
const ASCII: Ink = Ink { own: "#", shared: "." };

impl Ink {
    /// What the terminal's characters allow: the first of these variables that is set says so, see setlocale(3).
    pub(super) fn of_the_locale() -> Self {
        let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_ascii_lowercase();
        if locale.contains("utf-8") || locale.contains("utf8") { BLOCKS } else { ASCII }
    }
}

/// One chart below the other, the oldest save of each on top.
pub(super) fn chart(listed: &[Listed], now: Timestamp, ink: &Ink) -> String {
    listed.iter().map(|listed| of_container(listed, now, ink)).collect::<Vec<_>>().join("\n")
}

fn of_container(listed: &Listed, now: Timestamp, ink: &Ink) -> String {
    let most = listed.saves.iter().map(|save| save.saved.bytes).max().unwrap_or(0);
    let mut text = format!("{:<9} {:>6}  {:<20} {:>10} {:>10}\n", listed.container, "AGE", "", "SIZE", "ALONE");
    for save in &listed.saves {
        let alone = save.alone_bytes.map_or_else(|| "?".to_owned(), |bytes| HumanBytes(bytes).to_string());
        let size = HumanBytes(save.saved.bytes).to_string();
        let age = age(save.saved.created, now);
        let bar = bar(save.saved.bytes, save.alone_bytes.unwrap_or(0), most, ink);
        let line = writeln!(text, "{:<9} {age:>6}  {bar} {size:>10} {alone:>10}", place(save));
        line.expect("memory takes any text");
    }
    let _ = writeln!(text, "{:>18}{} its own  {} shared with other files", "", ink.own, ink.shared);
    text
}

/// What stands behind the container's name on command lines.
fn place(save: &ListedSave) -> String {
    save.back.map_or_else(|| format!("@{}", save.saved.short_id()), |back| format!("~{back}"))
}

/// Anything that is there has at least one cell.
fn bar(bytes: u64, alone: u64, most: u64, ink: &Ink) -> String {
    let cells = |bytes: u64| match bytes {
        0 => 0,
        _ => (u128::from(bytes) * u128::from(CELLS)).div_ceil(u128::from(most.max(1))).min(u128::from(CELLS)) as usize,
    };
    let (all, own) = (cells(bytes), cells(alone.min(bytes)));
    let shared = all - own;
    [ink.own.repeat(own), ink.shared.repeat(shared), " ".repeat(CELLS as usize - all)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_a_save_is_large_and_as_dark_as_it_is_its_own() {
        for (bytes, alone, expected) in [
            (100, 0, "...................."),
            (100, 50, "##########.........."),
            (50, 50, "##########          "),
            (100, 1, "#..................."),
            (100, 1000, "####################"),
            (1, 0, ".                   "),
            (0, 0, "                    "),
        ] {
            assert_eq!(bar(bytes, alone, 100, &ASCII), expected, "{bytes}, {alone}");
        }
        assert_eq!(bar(u64::MAX, u64::MAX, u64::MAX, &BLOCKS), "█".repeat(20));
    }
}
