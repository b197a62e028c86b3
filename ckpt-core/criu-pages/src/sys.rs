//! What rustix does not have: userfaultfd, memory that processes share, a process that shares its descriptors, and
//! signals on a descriptor's end. All `unsafe` of this crate is here and in the modules below.
//!
//! The crate `userfaultfd` is not used: it reads events into memory of its own, and whoever is killed then has lost them.
//! Here [`SharedMemory::read_into`] has the kernel write them where the other processes see them.
#![allow(unsafe_code)]

mod descriptors;
mod errno;
mod process;
mod shared_memory;
mod uffd;

pub(crate) use descriptors::{borrow, close, keep_open, kill_nobody, kill_on_event};
pub(crate) use process::{Fork, exit, fork, fork_with_shared_descriptors, ignore_signals, reap};
pub(crate) use shared_memory::SharedMemory;
#[cfg(test)]
pub(crate) use uffd::tests;
pub(crate) use uffd::{uffd_copy, uffd_is_changing, uffd_is_registered, uffd_wake, uffd_wake_all, uffd_zero};
