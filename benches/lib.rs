//! Criterion benchmarks of the libraries, on input made by code.
