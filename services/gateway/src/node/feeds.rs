//! Node feeds: a snapshot or the changes since, then live messages with the gap rule.
