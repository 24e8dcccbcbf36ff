//! What crosses a process boundary: envelope, frame, proposals, subjects, protocols.
