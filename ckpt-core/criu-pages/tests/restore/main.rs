//! Real CRIU, real processes: memory is right, or its processes are dead.

mod kills;
mod lab;
mod restores;
