//! The program: everything it does is in the library, so that tests and benchmarks reach it too.

use std::process::ExitCode;

fn main() -> ExitCode {
    stocktake::cli::main()
}
