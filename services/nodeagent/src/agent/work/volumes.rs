//! Volumes, and the tokens in them, which are renewed before they end.

use std::collections::BTreeMap;
use std::time::Duration;

use rutter_nodeagent_core::machine::Input;
use rutter_nodeagent_core::view::Pod;
use rutter_nodeagent_core::volumes::{VolumeContent, VolumePlan};
use rutter_schemas::protocol::node::{NodeCommand, NodeReply};

use super::Workshop;
use crate::disk::{self, TokenNeed};
use crate::runtime::Runtime;

/// A token is renewed after this part of its life, as kubelet does.
const TOKEN_RENEWED_AT_PERCENT: u64 = 80;

impl Workshop {
    pub(super) async fn prepare(
        &self,
        uid: &str,
        pod: &Pod,
        volumes: Vec<VolumePlan>,
        fs_group: Option<i64>,
    ) -> Input {
        if matches!(self.runtime, Runtime::Sim(_)) || volumes.is_empty() {
            return Input::VolumesReady;
        }
        if let Err(message) = self.mount_images(uid, &pod.metadata, &volumes).await {
            return Input::VolumesFailed { message };
        }
        let tokens = match self.tokens(pod, &volumes).await {
            Ok(tokens) => tokens,
            // Without a gateway, tokens that are there already are good enough.
            Err(message) => match disk::kept_tokens(&self.paths, uid, &volumes) {
                Some(kept) => kept,
                None => return Input::VolumesFailed { message },
            },
        };
        if !tokens.is_empty() {
            self.renew_tokens(uid, pod, &volumes, fs_group);
        }
        match self.write_volumes(uid, volumes, fs_group, tokens).await {
            Ok(()) => Input::VolumesReady,
            Err(message) => Input::VolumesFailed { message },
        }
    }

    pub(super) async fn write_volumes(
        &self,
        uid: &str,
        volumes: Vec<VolumePlan>,
        fs_group: Option<i64>,
        tokens: BTreeMap<TokenNeed, String>,
    ) -> Result<(), String> {
        let (paths, uid) = (self.paths.clone(), uid.to_owned());
        let group = fs_group.and_then(|group| u32::try_from(group).ok());
        let write =
            move || volumes.iter().try_for_each(|plan| disk::prepare(&paths, &uid, plan, group, &tokens));
        tokio::task::spawn_blocking(write).await.map_err(|why| why.to_string())?
    }

    pub(super) async fn tokens(
        &self,
        pod: &Pod,
        volumes: &[VolumePlan],
    ) -> Result<BTreeMap<TokenNeed, String>, String> {
        let mut tokens = BTreeMap::new();
        for need in token_needs(volumes) {
            let command = NodeCommand::Token {
                namespace: pod.metadata.namespace.clone(),
                service_account: pod.spec.service_account_name.clone(),
                audiences: Some(need.audience.clone()).filter(|one| !one.is_empty()).into_iter().collect(),
                expiration_seconds: need.expiration_secs,
                pod_name: pod.metadata.name.clone(),
                pod_uid: pod.metadata.uid.clone(),
            };
            match self.commands.send(command).await {
                Ok(NodeReply::Token { token, .. }) => tokens.insert(need, token),
                Ok(_) => return Err("failed to fetch token: an answer of another kind came".to_owned()),
                Err(why) => return Err(format!("failed to fetch token: {why}")),
            };
        }
        Ok(tokens)
    }

    /// Writes the volumes again before their tokens end, as long as the pod is there.
    pub(super) fn renew_tokens(&self, uid: &str, pod: &Pod, volumes: &[VolumePlan], fs_group: Option<i64>) {
        let Some(shortest) = token_needs(volumes).iter().map(|need| need.expiration_secs).min() else {
            return;
        };
        let token = self.end.child_token();
        let before = self.with_running(|running| running.tokens.insert(uid.to_owned(), token.clone()));
        if let Some(before) = before {
            before.cancel();
        }
        let (shop, uid, pod, volumes) = (self.clone(), uid.to_owned(), pod.clone(), volumes.to_vec());
        let pause = Duration::from_secs(shortest * TOKEN_RENEWED_AT_PERCENT / 100);
        tokio::spawn(token.run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(pause).await;
                while let Err(why) = shop.renew_once(&uid, &pod, &volumes, fs_group).await {
                    tracing::warn!(uid, why, "a token could not be renewed");
                    tokio::time::sleep(Duration::from_secs(10)).await;
                }
            }
        }));
    }

    pub(super) async fn renew_once(
        &self,
        uid: &str,
        pod: &Pod,
        volumes: &[VolumePlan],
        fs_group: Option<i64>,
    ) -> Result<(), String> {
        let tokens = self.tokens(pod, volumes).await?;
        self.write_volumes(uid, volumes.to_vec(), fs_group, tokens).await
    }
}

fn token_needs(volumes: &[VolumePlan]) -> Vec<TokenNeed> {
    let files = volumes.iter().filter_map(|volume| match &volume.content {
        VolumeContent::Files { files, .. } => Some(files),
        _ => None,
    });
    files.flat_map(|files| files.values()).filter_map(TokenNeed::of).collect()
}
