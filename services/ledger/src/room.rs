//! Whether there is room: refuse in time what is not needed, so that what was acknowledged is never in danger.
//!
//! JetStream turns itself off on a full disk, and a full stream takes no deletes either; so creations and
//! changes are refused while there is still room for deletes and status.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rutter_ledger_core::Room;
use rutter_runtime::stream::{LogStream, StreamInfo};
use rutter_schemas::limits;
use tokio::time::sleep;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Room kept for deletes and status: this share of the stream's limit, but at least some frames.
const RESERVE_PERCENT: u64 = 5;
const RESERVE_MIN: u64 = 4 * limits::FRAME as u64;
/// Room kept free on the disk itself.
const DISK_RESERVE: u64 = 256 << 20;

/// Looks at the stream and its disk; returns when the answer is another than `known`.
pub(crate) async fn changed(stream: LogStream, store: Option<PathBuf>, known: Room) -> Room {
    loop {
        sleep(LOOK).await;
        let room = match stream.info().await {
            Ok(info) => judge(&info, free(store.as_deref())),
            Err(_) => continue,
        };
        if std::mem::discriminant(&room) != std::mem::discriminant(&known) {
            return room;
        }
    }
}

fn judge(info: &StreamInfo, free: Option<u64>) -> Room {
    if let Some(max) = info.max_bytes {
        let left = max.saturating_sub(info.bytes);
        if left < (max / 100 * RESERVE_PERCENT).max(RESERVE_MIN) {
            return scarce(&format!("the log's stream has {} MiB of its {} MiB left", left >> 20, max >> 20));
        }
    }
    match free {
        Some(free) if free < DISK_RESERVE => {
            scarce(&format!("the log's disk has {} MiB left, {} are needed", free >> 20, DISK_RESERVE >> 20))
        }
        _ => Room::Ample,
    }
}

fn scarce(what: &str) -> Room {
    Room::Scarce { reason: format!("{what}: only deletes and status are taken") }
}

fn free(store: Option<&Path>) -> Option<u64> {
    store.and_then(|store| rutter_runtime::disk::free_bytes(store).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(bytes: u64, max_bytes: u64) -> StreamInfo {
        let created = String::new();
        StreamInfo { first: 1, last: 1, bytes, max_bytes: Some(max_bytes), replicas: 1, created }
    }

    #[test]
    fn a_stream_that_is_nearly_full_takes_only_deletes_and_status() {
        assert_eq!(judge(&info(10 << 30, 20 << 30), None), Room::Ample);
        assert!(matches!(judge(&info(195 << 27, 200 << 27), None), Room::Scarce { .. }));
    }

    #[test]
    fn a_disk_that_is_nearly_full_counts_as_well() {
        let Room::Scarce { reason } = judge(&info(0, 20 << 30), Some(1 << 20)) else { panic!("it has room") };
        assert!(reason.contains("disk has 1 MiB left"), "{reason}");
    }
}
