//! What a stopped cluster may leave behind: its data, and nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;

/// No process, mount, network namespace, link, table or control group of the cluster, and no secret in its files.
pub(crate) fn nothing(data: &Path) {
    let data_text = data.display().to_string();
    assert_eq!(processes_with(&data_text), Vec::<String>::new(), "processes");
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts can be read");
    assert_eq!(mounts.lines().filter(|line| line.contains(&data_text)).count(), 0, "mounts:\n{mounts}");
    let tables = output("nft list tables");
    assert!(!tables.contains("rutter"), "nft tables:\n{tables}");
    let groups = output("find /sys/fs/cgroup -type d -path '*/rutter/e2e*'");
    assert_eq!(groups, "", "control groups");
    no_secret(data);
}

/// No file holds the canary, which is a Secret's value.
pub(crate) fn no_secret(data: &Path) {
    let canary =
        Command::new("grep").args(["-rlF", super::tour::CANARY]).arg(data).output().expect("grep can be run");
    assert_eq!(String::from_utf8_lossy(&canary.stdout), "", "a secret's value stands in clear");
}

fn processes_with(text: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("/proc can be read").flatten();
    let lines = processes.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
    lines.map(|line| line.replace('\0', " ")).filter(|line| line.contains(text)).collect()
}

fn output(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().expect("sh can be run");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
