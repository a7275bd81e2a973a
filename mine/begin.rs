//! Here your own container grows: in `src`, which git neither sees nor changes.
//!
//! `cp -ri step02-exec/src mine/` begins it, with a copy of step 2 (the book, chapter 2). Cargo
//! then finds `src/main.rs`, and this file has done its work: a package must not be empty.
