//! Applications made of Consign, one a file.
// The README's example is compiled as one of its own.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]
