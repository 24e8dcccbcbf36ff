//! Joining a cluster as a node, with a one-time token.
//!
//! What the token bought rests in `DATA/join`, for its owner only; a second start goes on with it and needs no token.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use http::Method;
use rutter_client::{Client, Credentials, Kubeconfig};
use rutter_runtime::files::{self, PRIVATE, PUBLIC};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::args::CommonArgs;
use super::{JoinArgs, NodeagentArgs, pin};
use crate::up::{self, Home, Runtime};

/// The page that trades tokens for credentials.
const JOIN: &str = "/apis/rutter.dev/v1/join";

/// `rutter join`: trades the token for credentials, keeps them, and runs the agent.
pub(crate) async fn join(args: JoinArgs) -> Result<()> {
    ensure!(
        args.node.runtime == Runtime::Containerd,
        "only a node with containerd joins by a token: a simulation needs credentials of its own"
    );
    let home = Home::open(&args.node.common.data)?;
    // One agent to a directory, which `rutter down` finds and ends.
    let _held = up::hold(&home)?;
    let room = Room::open(&home)?;
    let membership = match room.membership()? {
        Some(known) => known,
        None => room.trade(&args).await?,
    };
    ensure!(
        membership.server == args.server,
        "this machine is a node of {}: to join {} instead, delete {}",
        membership.server,
        args.server,
        room.0.display()
    );
    let common = CommonArgs {
        nats: membership.nats,
        nats_creds: Some(room.credentials()),
        nats_ca: Some(room.nats_ca()),
        ..args.node.common
    };
    super::agent(&home, NodeagentArgs { common, node_name: Some(membership.node), ..args.node }).await
}

/// What this machine is in which cluster.
#[derive(Serialize, Deserialize)]
struct Membership {
    server: String,
    node: String,
    nats: String,
}

/// What a gateway answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    node: String,
    nats: String,
    #[serde(rename = "natsCA")]
    nats_ca: String,
    credentials: String,
}

/// Where it is kept.
struct Room(PathBuf);

impl Room {
    fn open(home: &Home) -> Result<Room> {
        let room = home.root().join("join");
        files::create_private_dir(&room).with_context(|| format!("{} can't be made", room.display()))?;
        Ok(Room(room))
    }

    fn credentials(&self) -> PathBuf {
        self.0.join("node.creds")
    }

    fn nats_ca(&self) -> PathBuf {
        self.0.join("nats-ca.crt")
    }

    fn membership(&self) -> Result<Option<Membership>> {
        let path = self.0.join("membership.json");
        if !path.exists() {
            return Ok(None);
        }
        let text = files::read_private(&path)?;
        let known = serde_json::from_str(&text);
        known.map(Some).with_context(|| format!("{} can't be read: delete it and join again", path.display()))
    }

    /// Asks the server, and keeps what it gives. What says that all is there is written last.
    async fn trade(&self, args: &JoinArgs) -> Result<Membership> {
        let Some(token) = &args.token else { bail!("this machine has not joined yet: give it a --token") };
        let node = args.node.node_name.clone().map_or_else(super::host_name, Ok)?;
        let answer = ask(&args.server, token, &node).await?;
        let membership = Membership { server: args.server.clone(), node: answer.node, nats: answer.nats };
        let keep = || -> std::io::Result<()> {
            files::write_atomically(&self.credentials(), answer.credentials.as_bytes(), PRIVATE)?;
            files::write_atomically(&self.nats_ca(), answer.nats_ca.as_bytes(), PUBLIC)?;
            let text = serde_json::to_vec(&membership)?;
            files::write_atomically(&self.0.join("membership.json"), &text, PRIVATE)
        };
        keep().with_context(|| format!("what the token bought can't be kept in {}", self.0.display()))?;
        eprintln!("  this machine is the node {} of {}", membership.node, membership.server);
        Ok(membership)
    }
}

async fn ask(server: &str, token: &str, node: &str) -> Result<Answer> {
    let (bearer, pin) = token.rsplit_once('.').context("this is no token of `rutter token`")?;
    let authority = pin::authority(server, pin).await?;
    let client = Client::from_kubeconfig(Kubeconfig {
        server: server.trim_end_matches('/').to_owned(),
        authority: vec![authority],
        credentials: Credentials::Anonymous,
        namespace: String::new(),
    })?;
    client.json(Method::POST, JOIN, Some(&json!({ "token": bearer, "node": node }))).await
}
