//! Modules that reach each other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::arrows::Arrow;

/// Sets of two and more modules in which each leads to each.
pub(crate) fn circles(count: usize, arrows: &BTreeMap<(usize, usize), Arrow>) -> Vec<BTreeSet<usize>> {
    let reached: Vec<BTreeSet<usize>> = (0..count).map(|module| reached_from(module, arrows)).collect();
    let mut circles = BTreeSet::new();
    for module in 0..count {
        let circle: BTreeSet<usize> =
            reached[module].iter().copied().filter(|other| reached[*other].contains(&module)).collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

fn reached_from(module: usize, arrows: &BTreeMap<(usize, usize), Arrow>) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut next = vec![module];
    while let Some(from) = next.pop() {
        for ((_, to), _) in arrows.range((from, 0)..(from + 1, 0)) {
            if reached.insert(*to) {
                next.push(*to);
            }
        }
    }
    reached
}

/// The arrows of one shortest way around, for a person to cut.
pub(crate) fn way_around<'a>(circle: &BTreeSet<usize>, arrows: &'a BTreeMap<(usize, usize), Arrow>) -> Vec<&'a Arrow> {
    circle.iter().filter_map(|start| way_back(*start, arrows)).min_by_key(Vec::len).unwrap_or_default()
}

fn way_back(start: usize, arrows: &BTreeMap<(usize, usize), Arrow>) -> Option<Vec<&Arrow>> {
    let mut came_by: BTreeMap<usize, &Arrow> = BTreeMap::new();
    let mut next = VecDeque::from([start]);
    while !came_by.contains_key(&start) {
        let from = next.pop_front()?;
        for (_, arrow) in arrows.range((from, 0)..(from + 1, 0)) {
            came_by.entry(arrow.to).or_insert_with(|| {
                next.push_back(arrow.to);
                arrow
            });
        }
    }
    let mut way = vec![came_by[&start]];
    while way[way.len() - 1].from != start {
        way.push(came_by[&way[way.len() - 1].from]);
    }
    way.reverse();
    Some(way)
}
