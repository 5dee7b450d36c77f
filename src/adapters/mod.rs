//! The outside, one folder for each side of it: its types stop here and only `domain` goes on.

pub mod aws;
