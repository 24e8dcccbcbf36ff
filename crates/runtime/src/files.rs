//! Small files that matter: written whole or not at all, secrets readable by their owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// What only the owner may read and write.
pub const PRIVATE: u32 = 0o600;
/// What everyone may read.
pub const PUBLIC: u32 = 0o644;

/// Replaces `path` by `bytes` in one step: a crash leaves the old file or the new one, never half of either.
///
/// # Errors
/// Whatever the file system says.
pub fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let unfinished = path.with_extension("tmp");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&unfinished)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    sync_parent(path)
}

/// Creates `path` with `bytes` unless it exists; `false` when it did, and is left alone.
///
/// # Errors
/// Whatever the file system says.
pub fn create_private(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path);
    let mut file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error),
    };
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_parent(path)?;
    Ok(true)
}

/// Reads a file that holds a secret, and refuses one that others could have read or replaced.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] when group or others have any right on it, with what to do.
pub fn read_private(path: &Path) -> io::Result<String> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let what = format!("{} holds a secret but has mode {mode:o}: chmod 600 it", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    }
    fs::read_to_string(path)
}

/// Creates a directory, and its parents, that only its owner may enter.
///
/// # Errors
/// Whatever the file system says.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_created_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(create_private(&path, b"first").unwrap());
        assert!(!create_private(&path, b"second").unwrap());
        assert_eq!(read_private(&path).unwrap(), "first");
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_atomically(&path, b"open", PUBLIC).unwrap();
        let refused = read_private(&path).unwrap_err();
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
    }
}
