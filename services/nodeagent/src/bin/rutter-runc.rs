//! runc with the values of Secrets put in, alone: for tests, whose own program can't be called by two names.

use std::process::ExitCode;

fn main() -> ExitCode {
    rutter_nodeagent::veil::run()
}
