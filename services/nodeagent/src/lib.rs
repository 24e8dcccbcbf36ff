//! Runs the pods of a node: containers, networks, volumes, probes, DNS.
