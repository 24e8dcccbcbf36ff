//! The kernel's ways to the pods of other nodes. Ours are told from others by their protocol number.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rutter_nodeagent_core::objects::Objects;
use rutter_nodeagent_core::routes::{self, Change, Routes};
use tokio::process::Command;
use tokio::sync::watch;

/// Who made a route, as rtnetlink(7) has it: above 4, user space may choose.
const PROTOCOL: &str = "82";
/// Between two attempts at what the kernel refused.
const AGAIN: Duration = Duration::from_secs(5);

/// Keeps them in step with the ranges of the cluster's nodes.
pub(super) async fn keep(node: String, own: Vec<IpAddr>, mut objects: watch::Receiver<Arc<Objects>>) {
    loop {
        let wanted = routes::wanted(&objects.borrow_and_update(), &node, &own);
        let refused = apply(&wanted).await;
        for why in &refused {
            tracing::warn!("pods of another node can't be reached: {why}");
        }
        tokio::select! {
            changed = objects.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(AGAIN), if !refused.is_empty() => {}
        }
    }
}

/// Takes all of them away.
pub(super) async fn remove() {
    // None at all is no failure.
    let _ = ip(&["route", "flush", "proto", PROTOCOL]).await;
}

/// Makes the kernel's those that are wanted; tells what it refused.
async fn apply(wanted: &Routes) -> Vec<String> {
    let there = match ip(&["-o", "route", "show", "proto", PROTOCOL]).await {
        Ok(text) => parse(&text),
        Err(why) => return vec![why],
    };
    let mut refused = Vec::new();
    for change in routes::changes(&there, wanted) {
        let told = match &change {
            Change::Lead { range, by } => {
                ip(&["route", "replace", range, "via", &by.to_string(), "proto", PROTOCOL]).await
            }
            Change::Forget { range } => ip(&["route", "del", range, "proto", PROTOCOL]).await,
        };
        match told {
            Ok(_) => tracing::info!(?change, "a route"),
            Err(why) => refused.push(format!("{change:?}: {why}")),
        }
    }
    refused
}

/// `10.244.1.0/24 via 10.0.0.2 dev eth0`, a line each.
fn parse(text: &str) -> Routes {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let range = words.next()?.to_owned();
        let by = words.skip_while(|word| *word != "via").nth(1)?.parse().ok()?;
        Some((range, by))
    };
    text.lines().filter_map(line).collect()
}

async fn ip(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("ip").arg("-4").args(arguments).kill_on_drop(true).output().await;
    let output = output.map_err(|error| format!("ip can't be run ({error}): is iproute2 installed?"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read_as_ip_prints_them() {
        let text = "10.244.1.0/24 via 172.29.96.32 dev eth0 \n10.244.2.0/24 via 172.29.96.33 dev eth0 \n";
        let wanted = [("10.244.1.0/24", "172.29.96.32"), ("10.244.2.0/24", "172.29.96.33")];
        let wanted = wanted.map(|(range, by)| (range.to_owned(), by.parse().expect("an address")));
        assert_eq!(parse(text), Routes::from(wanted));
    }
}
