//! Fills memory by a rule, waits for a file `go` in its working directory, checks every page, and says so in `result`.
//!
//! Usage: memory check|change|fork MEBIBYTES THREADS
//!
//! With `change`, threads also do to their memory what programs do: fork, mremap, munmap, MADV_DONTNEED, mprotect,
//! mlock, writing, starting threads. With `fork`, each leaves the checking to children, one of which is nobody's. The tests
//! checkpoint it while it waits, and restore it with pages that come later.
//!
//! Whoever finds a wrong page says so at once in `wrong.PID`: it may be killed the next moment.
#![allow(unsafe_code)]

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::ptr;
use std::thread;
use std::time::Duration;

const PAGE: usize = 4096;
/// Pages of one mapping at first.
const PIECE: usize = 256;
/// What each thread does, with `change`.
const STEPS: usize = 1500;

/// What a page is to hold: zeros, or the page of this number.
type Expected = Option<u64>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, what, mebibytes, threads] = &arguments[..] else { panic!("memory check|change|fork MEBIBYTES THREADS") };
    let (mebibytes, threads): (usize, usize) =
        (mebibytes.parse().expect("a number"), threads.parse().expect("a number"));
    let work = match &what[..] {
        "change" => Region::change_and_check,
        "fork" => Region::check_in_children,
        _ => Region::check_all,
    };
    let pages = mebibytes * 256 / threads;
    let workers: Vec<_> = (0..threads)
        .map(|thread| {
            let mut region = Region::fill(thread as u64, pages);
            fs::write(format!("ready.{thread}"), "").expect("room");
            thread::spawn(move || {
                wait_for(Path::new("go"));
                work(&mut region)
            })
        })
        .collect();
    let results: Vec<Result<(), String>> =
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| Err("a thread panicked".into()))).collect();
    let result = results.into_iter().collect::<Result<Vec<()>, String>>();
    let is_right = result.is_ok();
    let text = result.map_or_else(|error| error, |_| "ok".into());
    fs::write("result.new", text).expect("room");
    fs::rename("result.new", "result").expect("it was just written");
    ExitCode::from(u8::from(!is_right))
}

fn wait_for(path: &Path) {
    while !path.exists() {
        thread::sleep(Duration::from_millis(1));
    }
}

/// `xorshift64`: the same numbers each time.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// Bytes of page `number`: the number at both ends, and between them bytes that are nowhere else at the same place.
fn page(number: u64, pattern: &[u8]) -> [u8; PAGE] {
    let mut bytes = [0; PAGE];
    let start = (number as usize).wrapping_mul(31) % PAGE;
    bytes.copy_from_slice(&pattern[start..start + PAGE]);
    bytes[..8].copy_from_slice(&number.to_ne_bytes());
    bytes[PAGE - 8..].copy_from_slice(&number.to_ne_bytes());
    bytes
}

struct Mapping {
    start: *mut u8,
    pages: Vec<Expected>,
}

// SAFETY: a mapping is one thread's at a time.
unsafe impl Send for Mapping {}
// SAFETY: threads that share it read alone.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(pages: usize) -> Self {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping where the kernel likes.
        let start = unsafe { libc::mmap(ptr::null_mut(), pages * PAGE, protection, flags, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        Self { start: start.cast(), pages: vec![None; pages] }
    }

    fn at(&self, page: usize) -> *mut u8 {
        assert!(page < self.pages.len());
        // SAFETY: within the mapping.
        unsafe { self.start.add(page * PAGE) }
    }

    fn bytes(&self, page: usize) -> &[u8] {
        // SAFETY: within the mapping, which is readable but for moments in which this thread does not read.
        unsafe { std::slice::from_raw_parts(self.at(page), PAGE) }
    }

    fn write(&mut self, page: usize, number: u64, pattern: &[u8]) {
        let bytes = self::page(number, pattern);
        // SAFETY: within the mapping, which is writable.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(page), PAGE) };
        self.pages[page] = Some(number);
    }

    fn advise(&mut self, page: usize, count: usize, advice: i32) {
        // SAFETY: within the mapping, of which nobody has a reference.
        assert_eq!(unsafe { libc::madvise(self.at(page).cast(), count * PAGE, advice) }, 0);
    }

    fn protect(&self, protection: i32) {
        // SAFETY: the mapping is this thread's.
        assert_eq!(unsafe { libc::mprotect(self.start.cast(), self.pages.len() * PAGE, protection) }, 0);
    }

    fn resize(&mut self, pages: usize) {
        let length = self.pages.len() * PAGE;
        // SAFETY: the mapping is this thread's, and nobody has a reference to its place.
        let start = unsafe { libc::mremap(self.start.cast(), length, pages * PAGE, libc::MREMAP_MAYMOVE) };
        assert_ne!(start, libc::MAP_FAILED);
        self.start = start.cast();
        self.pages.resize(pages, None);
    }

    fn unmap(self) {
        // SAFETY: the mapping is this thread's and ends here.
        assert_eq!(unsafe { libc::munmap(self.start.cast(), self.pages.len() * PAGE) }, 0);
    }
}

struct Region {
    mappings: Vec<Mapping>,
    pattern: Vec<u8>,
    random: Random,
    next_number: u64,
}

impl Region {
    fn fill(thread: u64, pages: usize) -> Self {
        let mut random = Random(thread * 7919 + 12345);
        let pattern = (0..2 * PAGE).map(|_| random.below(255) as u8 + 1).collect();
        let mut region = Self { mappings: Vec::new(), pattern, random, next_number: (thread + 1) << 40 };
        for _ in 0..pages.div_ceil(PIECE) {
            let mut mapping = Mapping::new(PIECE);
            for page in 0..PIECE {
                mapping.write(page, region.number(), &region.pattern);
            }
            region.mappings.push(mapping);
        }
        region
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn change_and_check(&mut self) -> Result<(), String> {
        for _ in 0..STEPS {
            self.change()?;
        }
        self.check_all()
    }

    /// In a child of this process, in one that has lost its parent, and in one with a session of its own.
    fn check_in_children(&mut self) -> Result<(), String> {
        let orphan = self.in_child(|region| region.in_child(Self::check_all).map(drop))?;
        let others = [self.in_child(Self::check_all)?, self.in_child(Self::check_in_session)?];
        self.check_all()?;
        [&[orphan], &others[..]].concat().into_iter().try_for_each(succeeded)
    }

    fn check_in_session(&mut self) -> Result<(), String> {
        // SAFETY: it changes no memory.
        unsafe { libc::setsid() };
        self.check_all()
    }

    /// Forks a child that does this `work` alone; gives its number.
    fn in_child(&mut self, work: impl FnOnce(&mut Self) -> Result<(), String>) -> Result<libc::pid_t, String> {
        // SAFETY: the child uses its own memory alone, and ends by _exit.
        match unsafe { libc::fork() } {
            0 => {
                let worked = work(self);
                // SAFETY: it runs nothing of the parent's.
                unsafe { libc::_exit(i32::from(worked.is_err())) }
            }
            -1 => Err("it cannot fork".into()),
            child => Ok(child),
        }
    }

    fn check_all(&mut self) -> Result<(), String> {
        // Not in the order in which they come.
        let first = self.random.below(self.mappings.len());
        for place in 0..self.mappings.len() {
            let mapping = (first + place * 3) % self.mappings.len();
            for page in 0..self.mappings[mapping].pages.len() {
                self.check(mapping, page)?;
            }
        }
        for mapping in 0..self.mappings.len() {
            for page in 0..self.mappings[mapping].pages.len() {
                self.check(mapping, page)?;
            }
        }
        Ok(())
    }

    fn check(&self, mapping: usize, page: usize) -> Result<(), String> {
        let mapping = &self.mappings[mapping];
        let found = mapping.bytes(page);
        let expected = mapping.pages[page].map_or([0; PAGE], |number| self::page(number, &self.pattern));
        if found == expected {
            return Ok(());
        }
        let number = |bytes: &[u8]| bytes[..8].iter().rev().fold(0u64, |all, &byte| all << 8 | u64::from(byte));
        let address = mapping.at(page);
        let _ = fs::write(format!("wrong.{}", std::process::id()), format!("{address:?}"));
        Err(format!("wrong page at {address:?}: {:#x} instead of {:#x}", number(found), number(&expected)))
    }

    fn check_some(&mut self, count: usize) -> Result<(), String> {
        for _ in 0..count {
            let mapping = self.random.below(self.mappings.len());
            let page = self.random.below(self.mappings[mapping].pages.len());
            self.check(mapping, page)?;
        }
        Ok(())
    }

    fn change(&mut self) -> Result<(), String> {
        let chosen = self.random.below(self.mappings.len());
        let pages = self.mappings[chosen].pages.len();
        let page = self.random.below(pages);
        let count = 1 + self.random.below(pages - page);
        match self.random.below(12) {
            0 => {
                let mapping = &mut self.mappings[chosen];
                mapping.advise(page, count, libc::MADV_DONTNEED);
                mapping.pages[page..page + count].fill(None);
            }
            1 => {
                let longer = pages + 1 + self.random.below(64);
                self.mappings[chosen].resize(longer);
            }
            2 if pages > 8 => self.mappings[chosen].resize(pages / 2),
            3 if self.mappings.len() > 4 => {
                self.mappings.swap_remove(chosen).unmap();
                self.mappings.push(Mapping::new(pages));
            }
            4 => {
                let mapping = &self.mappings[chosen];
                mapping.protect(libc::PROT_NONE);
                mapping.protect(libc::PROT_READ);
                self.check(chosen, page)?;
                self.mappings[chosen].protect(libc::PROT_READ | libc::PROT_WRITE);
            }
            5 => {
                let start = self.mappings[chosen].at(page);
                // SAFETY: within the mapping; locking changes no byte. It may be refused by the limit.
                unsafe {
                    libc::mlock(start.cast(), PAGE);
                    libc::munlock(start.cast(), PAGE);
                }
            }
            6 | 7 => {
                let number = self.number();
                self.mappings[chosen].write(page, number, &self.pattern);
            }
            8 => self.fork()?,
            9 => thread::scope(|scope| {
                let checked = scope.spawn(|| self.check(chosen, page));
                checked.join().unwrap_or_else(|_| Err("a thread panicked".into()))
            })?,
            _ => {}
        }
        self.check_some(8)
    }

    /// Both halves change and check.
    fn fork(&mut self) -> Result<(), String> {
        // SAFETY: the child uses its own memory alone, and ends by _exit.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            let checked = self.check_some(100).and_then(|()| {
                let number = self.number();
                self.mappings[0].write(0, number, &self.pattern);
                let pages = self.mappings[0].pages.len();
                self.mappings[0].resize(pages + 70);
                self.check_some(100)
            });
            // SAFETY: it runs nothing of the parent's.
            unsafe {
                if checked.is_ok() && self.random.below(2) == 0 {
                    libc::execl(c"/bin/true".as_ptr(), c"true".as_ptr(), ptr::null::<libc::c_char>());
                }
                libc::_exit(i32::from(checked.is_err()))
            };
        }
        self.check_some(20)?;
        succeeded(child)
    }
}

/// Waits for the end of a child.
fn succeeded(child: libc::pid_t) -> Result<(), String> {
    let mut status = 0;
    // SAFETY: `status` is an integer of ours.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    if status == 0 { Ok(()) } else { Err(format!("a child ended with {status:#x}")) }
}
