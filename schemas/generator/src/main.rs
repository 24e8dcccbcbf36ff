//! Makes the tables of the Kubernetes API from its published facts.

fn main() {}
