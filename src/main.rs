//! The binary: hands over to `cli`, and turns what it says into an exit code.

use std::process::ExitCode;

/// Each opening of a stream takes large pieces of memory for a moment and small ones for weeks. The system's allocator puts the small ones into
/// the holes of the large, and a stream costs half as much again; this one keeps sizes apart (figures in benches/README.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sigcast::cli::main()
}
