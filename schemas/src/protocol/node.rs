//! Between a gateway and a node agent.
