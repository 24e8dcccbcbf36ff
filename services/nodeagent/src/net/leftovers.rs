//! What the CNI plugins `firewall` and `portmap` leave in iptables: rules of pods whose deletion was cut short, and,
//! when no pod of any node is left, the plugins' own chains.

use std::process::Command;

/// Takes them away. `pod_prefix` is the node's range of addresses, such as `10.244.1.0/24`.
pub(crate) fn remove(range: Option<&str>) {
    let prefix = range.and_then(|range| Some(range.rsplit_once('.')?.0.to_owned() + "."));
    for table in ["filter", "nat"] {
        let Some(rules) = list(table) else { continue };
        for rule in rules.lines().filter_map(|line| line.strip_prefix("-A ")) {
            if prefix.as_deref().is_some_and(|prefix| rule.starts_with("CNI-") && names(rule, prefix)) {
                run(table, "-D", rule);
            }
        }
        if list(table).is_some_and(|rules| is_unused(&rules)) {
            remove_chains(table);
        }
    }
}

fn names(rule: &str, prefix: &str) -> bool {
    rule.split_whitespace().any(|word| word.starts_with(prefix))
}

/// No pod has a rule in the plugins' chains.
fn is_unused(rules: &str) -> bool {
    let of_pods = |rule: &str| rule.starts_with("CNI-") && (rule.contains(" -d ") || rule.contains(" -s "));
    !rules.lines().filter_map(|line| line.strip_prefix("-A ")).any(of_pods)
}

fn remove_chains(table: &str) {
    let Some(rules) = list(table) else { return };
    let jumps =
        rules.lines().filter_map(|line| line.strip_prefix("-A ")).filter(|rule| rule.contains(" -j CNI-"));
    jumps.for_each(|rule| run(table, "-D", rule));
    let chains: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.strip_prefix("-N "))
        .filter(|chain| chain.starts_with("CNI-"))
        .collect();
    chains.iter().for_each(|chain| run(table, "-F", chain));
    chains.iter().for_each(|chain| run(table, "-X", chain));
    let is_bare = |rules: &str| rules.lines().all(|line| line.starts_with("-P") && line.ends_with("ACCEPT"));
    if !chains.is_empty() && list(table).is_some_and(|rules| is_bare(&rules)) {
        let _ = Command::new("nft").args(["delete", "table", "ip", table]).output();
    }
}

fn list(table: &str) -> Option<String> {
    // Asking iptables would make the table.
    let tables = Command::new("nft").args(["list", "tables", "ip"]).output().ok()?;
    let wanted = format!("table ip {table}");
    if !String::from_utf8_lossy(&tables.stdout).lines().any(|line| line == wanted) {
        return None;
    }
    let output = Command::new("iptables").args(["-w", "-t", table, "-S"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Rules are given back as they were listed; comments are quoted there.
fn run(table: &str, what: &str, rule: &str) {
    let _ = Command::new("iptables").args(["-w", "-t", table, what]).args(words(rule)).output();
}

fn words(rule: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in rule.chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().expect("there is a first word").push(other),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_one_word() {
        assert_eq!(
            words(r#"FORWARD -m comment --comment "a b" -j X"#),
            ["FORWARD", "-m", "comment", "--comment", "a b", "-j", "X"]
        );
    }

    #[test]
    fn chains_with_pods_of_another_node_stay() {
        let idle =
            "-P FORWARD ACCEPT\n-N CNI-FORWARD\n-A FORWARD -j CNI-FORWARD\n-A CNI-FORWARD -j CNI-ADMIN\n";
        assert!(is_unused(idle));
        assert!(!is_unused(&format!("{idle}-A CNI-FORWARD -s 10.1.0.2/32 -j ACCEPT\n")));
    }
}
