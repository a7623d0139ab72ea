//! The binary: hands the command line over to the library.

fn main() {}
