//! The binary: hands over to `cli`, and turns what it says into an exit code.

use std::process::ExitCode;

use sigcast::cli::Memory;

#[global_allocator]
static ALLOCATOR: Memory = Memory;

fn main() -> ExitCode {
    sigcast::cli::main()
}
