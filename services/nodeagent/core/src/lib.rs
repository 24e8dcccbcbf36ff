//! The state machine of a pod on its node.
