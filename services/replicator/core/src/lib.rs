//! Deployments, ReplicaSets, EndpointSlices, garbage collection, namespaces, node lifecycle.
