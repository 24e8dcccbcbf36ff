//! The one binary: services as subcommands, up, join, and what a log gives operators.

fn main() {}
