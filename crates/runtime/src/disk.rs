//! How much room a file system has.

use std::io;
use std::path::Path;

/// Bytes that an ordinary user may still write on the file system of `path` (statvfs(3), `f_bavail`).
///
/// # Errors
/// Whatever the system says.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The size of the file system of `path`, in bytes.
///
/// # Errors
/// Whatever the system says.
pub fn size_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_blocks.saturating_mul(stat.f_frsize))
}
