//! The cgroups of a node's pods: what they use, and that nothing of them is left behind. Both hierarchies are known:
//! v1 with a directory per controller, v2 with one for all.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::runtime::cgroup_root;

const MOUNT: &str = "/sys/fs/cgroup";

/// Every directory that is this cgroup's in some hierarchy.
fn hierarchies(cgroup: &str) -> Vec<PathBuf> {
    let relative = cgroup.trim_start_matches('/');
    let mounts = fs::read_dir(MOUNT).into_iter().flatten().flatten().map(|entry| entry.path());
    let all = mounts.chain([PathBuf::from(MOUNT)]).map(|mount| mount.join(relative));
    let mut found: Vec<PathBuf> = all.filter(|dir| dir.is_dir()).collect();
    found.sort();
    found.dedup_by_key(|dir| dir.canonicalize().unwrap_or_default());
    found
}

/// CPU time of a cgroup and all below it, in nanoseconds.
pub(crate) fn cpu_nanoseconds(cgroup: &str) -> u64 {
    let relative = cgroup.trim_start_matches('/');
    let v1 = ["cpuacct", "cpu,cpuacct"]
        .map(|name| Path::new(MOUNT).join(name).join(relative).join("cpuacct.usage"));
    if let Some(usage) = v1.iter().find_map(|path| read_number(path)) {
        return usage;
    }
    let stat = fs::read_to_string(Path::new(MOUNT).join(relative).join("cpu.stat")).unwrap_or_default();
    field(&stat, "usage_usec").unwrap_or(0) * 1000
}

/// Memory of a cgroup and all below it, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) usage: u64,
    /// What can't be dropped at once: usage less inactive file pages, as `metrics.k8s.io` counts.
    pub(crate) working_set: u64,
    /// Anonymous pages.
    pub(crate) rss: u64,
}

pub(crate) fn memory(cgroup: &str) -> Memory {
    let relative = cgroup.trim_start_matches('/');
    let v1 = Path::new(MOUNT).join("memory").join(relative);
    let v2 = Path::new(MOUNT).join(relative);
    let (usage, stat, [inactive, anonymous]) = match read_number(&v1.join("memory.usage_in_bytes")) {
        Some(usage) => (usage, v1.join("memory.stat"), ["total_inactive_file", "total_rss"]),
        None => {
            let usage = read_number(&v2.join("memory.current")).unwrap_or(0);
            (usage, v2.join("memory.stat"), ["inactive_file", "anon"])
        }
    };
    let stat = fs::read_to_string(stat).unwrap_or_default();
    let inactive = field(&stat, inactive).unwrap_or(0);
    Memory { usage, working_set: usage.saturating_sub(inactive), rss: field(&stat, anonymous).unwrap_or(0) }
}

/// The limit of a cgroup's memory; none without one.
pub(crate) fn memory_limit(cgroup: &str) -> Option<u64> {
    let relative = cgroup.trim_start_matches('/');
    let v1 = Path::new(MOUNT).join("memory").join(relative).join("memory.limit_in_bytes");
    let v2 = Path::new(MOUNT).join(relative).join("memory.max");
    // Without a limit v1 has a number beyond all memory, v2 a word.
    read_number(&v1).or_else(|| read_number(&v2)).filter(|limit| *limit < 1 << 60)
}

fn read_number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The cgroup of a container.
pub(crate) fn container(node: &str, uid: &str, id: &str) -> String {
    format!("{}/{id}", pod(node, uid))
}

/// The cgroup of a pod.
pub(crate) fn pod(node: &str, uid: &str) -> String {
    format!("{}/pod{uid}", cgroup_root(node))
}

/// Takes away what the runtime leaves of a pod.
pub(crate) fn remove_pod(node: &str, uid: &str) {
    remove_tree(&pod(node, uid));
}

/// Takes away the cgroups of the whole node; the parent too, when no other node is in it.
pub(crate) fn remove_node(node: &str) {
    remove_tree(&cgroup_root(node));
    for dir in hierarchies("/rutter") {
        let _ = fs::remove_dir(dir);
    }
}

/// Ends every process of the node's pods.
pub(crate) fn kill_all(node: &str) {
    for dir in hierarchies(&cgroup_root(node)) {
        kill_below(&dir);
    }
}

fn kill_below(dir: &Path) {
    let processes = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    for pid in processes.lines().filter_map(|line| line.parse().ok()) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
    let children = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    children.filter(|path| path.is_dir()).for_each(|child| kill_below(&child));
}

fn remove_tree(cgroup: &str) {
    for dir in hierarchies(cgroup) {
        // The kernel takes a moment to let go of a cgroup whose last process has just ended.
        for _ in 0..20 {
            if remove_dirs(&dir) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The files in it are the kernel's: only directories are removed, the deepest first.
fn remove_dirs(dir: &Path) -> bool {
    let children = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    children.filter(|path| path.is_dir()).for_each(|child| {
        remove_dirs(&child);
    });
    fs::remove_dir(dir).is_ok() || !dir.exists()
}
