//! A container as its configuration describes it: what it may do on the host, and what it needs to come back.

mod mount;
pub mod privileges;
pub(crate) mod restorable;
pub(crate) mod running;
