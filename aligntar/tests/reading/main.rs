//! Reading: archives of every dialect, and archives that are none.

mod dialects;
mod limits;
mod odd;
mod sparse;
mod splits;
