//! The binary: hands over to `cli`, and turns what it says into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    sigcast::cli::main()
}
