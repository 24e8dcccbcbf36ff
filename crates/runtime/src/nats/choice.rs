//! Which server to connect to next, when a connection was lost: the one that was left or tried longest ago.
//!
//! So the server that was lost is tried last. Chosen by chance it would be the first of three every third time, and one
//! whose machine is gone keeps whoever tries it waiting.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::{ReconnectToServer, Server, ServerAddr, ServerInfo};
use rutter_schemas::Uuid;

/// When each server was tried, in attempts; by its address.
#[derive(Default)]
struct Tried {
    attempts: u64,
    last: HashMap<String, u64>,
}

/// One client's choices. The first connection is left to the client library, which tries every server once.
pub(super) fn longest_left()
-> impl Fn(Vec<Server>, ServerInfo) -> Ready<Option<ReconnectToServer>> + Send + Sync + 'static {
    let tried = Arc::new(Mutex::new(Tried::default()));
    move |servers, _| {
        let mut tried = tried.lock().unwrap_or_else(PoisonError::into_inner);
        let chance = Uuid::new_v4().as_u128();
        let servers = servers.iter().map(|server| (&server.addr, server.did_connect));
        ready(tried.choose(servers, chance).map(|addr| ReconnectToServer { addr, delay: None }))
    }
}

impl Tried {
    /// `servers`, and whether each was ever connected to; `chance` decides among equals.
    fn choose<'a>(
        &mut self,
        servers: impl Iterator<Item = (&'a ServerAddr, bool)>,
        chance: u128,
    ) -> Option<ServerAddr> {
        let servers: Vec<_> = servers.collect();
        if servers.iter().all(|(_, connected)| !connected) {
            return None;
        }
        let when = |addr: &ServerAddr, connected| {
            // One that the library chose was connected to before any of ours.
            self.last.get(&name(addr)).copied().unwrap_or(u64::from(connected))
        };
        let oldest = servers.iter().map(|(addr, connected)| when(addr, *connected)).min()?;
        let mut equals = servers;
        equals.retain(|(addr, connected)| when(addr, *connected) == oldest);
        let chosen = equals[usize::try_from(chance % equals.len() as u128).unwrap_or_default()].0.clone();
        self.attempts += 1;
        // Above what stands for a connection of the library's.
        self.last.insert(name(&chosen), self.attempts + 1);
        Some(chosen)
    }
}

fn name(addr: &ServerAddr) -> String {
    format!("{}:{}", addr.host(), addr.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(urls: [&str; 3]) -> Vec<ServerAddr> {
        urls.iter().map(|url| url.parse().unwrap()).collect()
    }

    #[test]
    fn the_first_connection_is_not_ours_to_choose() {
        let servers = servers(["tls://a:1", "tls://b:1", "tls://c:1"]);
        assert_eq!(Tried::default().choose(servers.iter().map(|addr| (addr, false)), 0), None);
    }

    #[test]
    fn the_server_that_was_lost_is_tried_last() {
        let servers = servers(["tls://a:1", "tls://b:1", "tls://c:1"]);
        let mut tried = Tried::default();
        let mut next = |chance| {
            // "b" is what the library connected to at first.
            let known = servers.iter().map(|addr| (addr, addr.host() == "b"));
            tried.choose(known, chance).unwrap().host().to_owned()
        };
        let order = [next(1), next(7), next(0)];
        assert_eq!(order, ["c", "a", "b"]);
        assert_eq!([next(0), next(0), next(0)], order, "and so on in turn");
    }
}
