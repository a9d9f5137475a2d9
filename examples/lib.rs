//! Applications made of Consign, one a file. The README's is here too, so that it is compiled.
#![doc = include_str!("../README.md")]
