//! Which pages an image of pages has.

use std::ops::Range;

use criu_images::{Image, ImageError, Images, PageMap};

/// Pages of a page map, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Of the process, or from the beginning of shared memory.
    pub(super) addresses: Range<u64>,
    /// In the image of pages; none if they are in an earlier checkpoint.
    pub(super) offset: Option<u64>,
}

/// A page map, and the image with its pages.
#[derive(Clone, Debug, Default)]
pub(super) struct PageRuns {
    /// They rise. What lies together in memory and in the image is one.
    pub(super) runs: Vec<Run>,
    /// None if all pages are in an earlier checkpoint.
    pub(super) pages: Option<Image>,
}

impl PageRuns {
    /// Those of the page map `name`; none if there is no such map.
    pub(super) fn read(images: &Images, name: &str) -> Result<Self, ImageError> {
        let Some(image) = images.get(name) else { return Ok(PageRuns::default()) };
        let map = PageMap::read(name, image)?;
        let (mut runs, mut needed) = (Vec::<Run>::new(), 0);
        for pages in map.pages() {
            let pages = pages?;
            if let Some(offset) = pages.offset {
                needed = offset + (pages.addresses.end - pages.addresses.start);
            }
            add(&mut runs, Run { addresses: pages.addresses, offset: pages.offset });
        }
        if needed == 0 {
            return Ok(PageRuns { runs, pages: None });
        }
        let name = map.pages_name();
        let pages = images.find(&name)?;
        if pages.length() < needed {
            return Err(ImageError::Short { name, found: pages.length(), expected: needed });
        }
        Ok(PageRuns { runs, pages: Some(pages.clone()) })
    }

    /// The parts of runs within `addresses`.
    pub(super) fn within(&self, addresses: Range<u64>) -> impl Iterator<Item = Run> {
        let first = self.runs.partition_point(|run| run.addresses.end <= addresses.start);
        let until = addresses.end;
        self.runs[first..].iter().take_while(move |run| run.addresses.start < until).map(move |run| {
            let start = run.addresses.start.max(addresses.start);
            let offset = run.offset.map(|offset| offset + (start - run.addresses.start));
            Run { addresses: start..run.addresses.end.min(addresses.end), offset }
        })
    }
}

fn add(runs: &mut Vec<Run>, run: Run) {
    if run.addresses.is_empty() {
        return;
    }
    if let Some(last) = runs.last_mut() {
        let behind = last.offset.map(|offset| offset + (last.addresses.end - last.addresses.start));
        if last.addresses.end == run.addresses.start && behind == run.offset {
            last.addresses.end = run.addresses.end;
            return;
        }
    }
    runs.push(run);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_together_is_one_run_and_can_be_cut() {
        let mut runs = Vec::new();
        let run = |addresses, offset| Run { addresses, offset };
        for (addresses, offset) in [
            (10..20, Some(0)),
            (20..25, Some(10)),
            (25..30, None),
            (30..40, None),
            (40..41, Some(15)),
            (50..51, Some(16)),
        ] {
            add(&mut runs, run(addresses, offset));
        }
        let runs = PageRuns { runs, pages: None };
        assert_eq!(runs.runs, [run(10..25, Some(0)), run(25..40, None), run(40..41, Some(15)), run(50..51, Some(16))]);
        let within: Vec<Run> = runs.within(12..50).collect();
        assert_eq!(within, [run(12..25, Some(2)), run(25..40, None), run(40..41, Some(15))]);
    }
}
