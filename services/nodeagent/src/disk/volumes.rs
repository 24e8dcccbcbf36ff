//! Bringing volumes to the disk, and taking them away.
//!
//! Files of a volume change together: they lie in a directory of their own, `..data` is a link to it, and each visible
//! name is a link through `..data` (upstream's `AtomicWriter`). A reader sees the old files or the new ones.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rutter_nodeagent_core::volumes::{File, FileContent, VolumeContent, VolumePlan};

use super::Paths;

/// A token that has to be fetched before its volume can be written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TokenNeed {
    pub(crate) audience: String,
    pub(crate) expiration_secs: u64,
}

impl TokenNeed {
    pub(crate) fn of(file: &File) -> Option<TokenNeed> {
        match &file.content {
            FileContent::Token { audience, expiration_secs } => {
                Some(TokenNeed { audience: audience.clone(), expiration_secs: *expiration_secs })
            }
            FileContent::Bytes(_) => None,
        }
    }
}

/// Makes one volume what its plan says. Repeating it changes nothing.
///
/// # Errors
/// What a `FailedMount` event says.
pub(crate) fn prepare(
    paths: &Paths,
    uid: &str,
    plan: &VolumePlan,
    fs_group: Option<u32>,
    tokens: &BTreeMap<TokenNeed, String>,
) -> Result<(), String> {
    let failed = |why: io::Error| format!("MountVolume.SetUp failed for volume {:?} : {why}", plan.name);
    match &plan.content {
        VolumeContent::Empty { memory, size_bytes } => {
            empty(&paths.volume(uid, &plan.name), *memory, *size_bytes, fs_group).map_err(failed)
        }
        VolumeContent::Files { files, sensitive } => {
            let dir = match sensitive {
                true => paths.memory_volume(uid, &plan.name),
                false => paths.volume(uid, &plan.name),
            };
            let contents = files.iter().map(|(path, file)| Ok((path.as_str(), content(file, tokens)?)));
            let contents = contents.collect::<Result<BTreeMap<_, _>, String>>()?;
            write_files(&dir, &contents, fs_group).map_err(failed)
        }
        VolumeContent::Host { path, kind } => {
            host(Path::new(path), kind)?;
            link_host(&paths.host_volume(uid, &plan.name), path).map_err(failed)
        }
        // Mounted by who pulls it.
        VolumeContent::Image { .. } => Ok(()),
    }
}

/// The tokens that were written before, if all are there.
pub(crate) fn kept_tokens(
    paths: &Paths,
    uid: &str,
    volumes: &[VolumePlan],
) -> Option<BTreeMap<TokenNeed, String>> {
    let mut kept = BTreeMap::new();
    for volume in volumes {
        let VolumeContent::Files { files, .. } = &volume.content else { continue };
        for (path, file) in files {
            let Some(need) = TokenNeed::of(file) else { continue };
            let written = paths.memory_volume(uid, &volume.name).join(path);
            kept.insert(need, fs::read_to_string(written).ok()?);
        }
    }
    Some(kept)
}

struct Content<'a> {
    mode: u32,
    bytes: &'a [u8],
}

fn content<'a>(file: &'a File, tokens: &'a BTreeMap<TokenNeed, String>) -> Result<Content<'a>, String> {
    let bytes = match (&file.content, TokenNeed::of(file)) {
        (FileContent::Bytes(bytes), _) => bytes.as_slice(),
        (_, Some(need)) => tokens.get(&need).ok_or("the token was not fetched")?.as_bytes(),
        (FileContent::Token { .. }, None) => return Err("a token without need".to_owned()),
    };
    Ok(Content { mode: file.mode, bytes })
}

fn empty(dir: &Path, memory: bool, size_bytes: Option<u64>, fs_group: Option<u32>) -> io::Result<()> {
    if dir.exists() {
        return Ok(());
    }
    fs::create_dir_all(dir)?;
    if memory {
        let options = size_bytes.map(|bytes| format!("size={bytes}"));
        mount(Some("tmpfs"), dir, Some("tmpfs"), MsFlags::empty(), options.as_deref())?;
    }
    let mut mode = 0o777;
    if let Some(group) = fs_group {
        chown(dir, None, Some(group))?;
        mode |= 0o2000;
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(mode))
}

fn host(path: &Path, kind: &str) -> Result<(), String> {
    let failed = |why: io::Error| format!("hostPath {path:?}: {why}");
    let wrong = |what: &str| Err(format!("hostPath type check failed: {} is not a {what}", path.display()));
    match kind {
        "DirectoryOrCreate" => fs::create_dir_all(path).map_err(failed),
        "FileOrCreate" if !path.exists() => fs::write(path, b"").map_err(failed),
        "Directory" if !path.is_dir() => wrong("directory"),
        "File" if !path.is_file() => wrong("file"),
        "" => fs::create_dir_all(path).or_else(|why| if path.exists() { Ok(()) } else { Err(failed(why)) }),
        _ => Ok(()),
    }
}

fn link_host(link: &Path, target: &str) -> io::Result<()> {
    if let Some(parent) = link.parent() {
        fs::create_dir_all(parent)?;
    }
    if fs::read_link(link).is_ok_and(|known| known == Path::new(target)) {
        return Ok(());
    }
    let _ = fs::remove_file(link);
    symlink(target, link)
}

const LINK: &str = "..data";

fn write_files(dir: &Path, files: &BTreeMap<&str, Content<'_>>, group: Option<u32>) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    if is_current(&dir.join(LINK), files) {
        return Ok(());
    }
    let old = fs::read_link(dir.join(LINK)).ok();
    let version = format!("..{}", uuid::Uuid::now_v7().simple());
    let fresh = dir.join(&version);
    fs::create_dir(&fresh)?;
    for (path, content) in files {
        write_file(&fresh, path, content, group)?;
    }
    let draft = dir.join("..data_tmp");
    let _ = fs::remove_file(&draft);
    symlink(&version, &draft)?;
    fs::rename(&draft, dir.join(LINK))?;
    link_names(dir, files)?;
    match old {
        Some(old) => fs::remove_dir_all(dir.join(old)),
        None => Ok(()),
    }
}

fn write_file(root: &Path, path: &str, content: &Content<'_>, group: Option<u32>) -> io::Result<()> {
    let file = inside(root, path)?;
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&file, content.bytes)?;
    let mut mode = content.mode;
    if let Some(group) = group {
        chown(&file, None, Some(group))?;
        mode |= 0o440;
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(mode))
}

/// A key may not climb out of its volume.
fn inside(root: &Path, path: &str) -> io::Result<PathBuf> {
    let plain = Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if plain && !path.is_empty() {
        return Ok(root.join(path));
    }
    Err(io::Error::other(format!("path {path:?} leads out of the volume")))
}

fn link_names(dir: &Path, files: &BTreeMap<&str, Content<'_>>) -> io::Result<()> {
    let wanted: std::collections::BTreeSet<&str> =
        files.keys().filter_map(|path| path.split('/').next()).collect();
    for name in &wanted {
        if fs::symlink_metadata(dir.join(name)).is_err() {
            symlink(Path::new(LINK).join(name), dir.join(name))?;
        }
    }
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let stale = name.to_str().is_none_or(|name| !name.starts_with("..") && !wanted.contains(name));
        if stale {
            fs::remove_file(dir.join(name))?;
        }
    }
    Ok(())
}

fn is_current(dir: &Path, files: &BTreeMap<&str, Content<'_>>) -> bool {
    let Ok(count) = count_files(dir) else { return false };
    count == files.len()
        && files
            .iter()
            .all(|(path, content)| fs::read(dir.join(path)).is_ok_and(|bytes| bytes == content.bytes))
}

fn count_files(dir: &Path) -> io::Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        count += if entry.file_type()?.is_dir() { count_files(&entry.path())? } else { 1 };
    }
    Ok(count)
}

/// Takes away everything a pod has on the disk.
pub(crate) fn remove_pod(paths: &Paths, uid: &str) -> io::Result<()> {
    for dir in [paths.pod(uid), paths.pod_memory(uid)] {
        unmount_below(&dir)?;
        match fs::remove_dir_all(&dir) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => {}
        }
    }
    Ok(())
}

/// Unmounts everything at or below `dir`, the last mount first.
pub(crate) fn unmount_below(dir: &Path) -> io::Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape);
    let below: Vec<String> = points.filter(|point| Path::new(point).starts_with(dir)).collect();
    for point in below.iter().rev() {
        umount2(point.as_str(), MntFlags::MNT_DETACH)?;
    }
    Ok(())
}

/// Blanks are octal in the mount table.
fn unescape(point: &str) -> String {
    point.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files<'a>(list: &[(&'a str, &'a str)]) -> BTreeMap<&'a str, Content<'a>> {
        list.iter().map(|(path, text)| (*path, Content { mode: 0o640, bytes: text.as_bytes() })).collect()
    }

    #[test]
    fn files_change_together_and_stale_names_go() {
        let dir = tempfile::tempdir().expect("a directory");
        write_files(dir.path(), &files(&[("a", "1"), ("sub/b", "2")]), None).expect("it can be written");
        let first = fs::read_link(dir.path().join(LINK)).expect("a link");
        write_files(dir.path(), &files(&[("a", "1"), ("sub/b", "2")]), None).expect("nothing changes");
        assert_eq!(fs::read_link(dir.path().join(LINK)).expect("a link"), first);
        write_files(dir.path(), &files(&[("a", "3")]), None).expect("it can be written");
        assert_eq!(fs::read_to_string(dir.path().join("a")).expect("it is there"), "3");
        assert!(!dir.path().join("sub").exists() && !dir.path().join(first).exists());
        let mode = fs::metadata(dir.path().join("a")).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[test]
    fn a_key_does_not_climb_out() {
        let dir = tempfile::tempdir().expect("a directory");
        for path in ["../x", "/etc/x", ""] {
            assert!(write_files(&dir.path().join("v"), &files(&[(path, "1")]), None).is_err(), "{path:?}");
        }
    }
}
