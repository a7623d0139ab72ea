//! The binary: hands over to `cli`, and turns what it says into an exit code.

use std::process::ExitCode;

use sigcast::app::memory::BySize;

#[global_allocator]
static ALLOCATOR: BySize = BySize;

fn main() -> ExitCode {
    sigcast::cli::main()
}
