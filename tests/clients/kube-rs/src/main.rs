//! The scenario by kube-rs (see ../../main.rs).

use std::collections::BTreeSet;
use std::env;
use std::pin::pin;

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::api::{
    AttachParams, DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams, PropagationPolicy,
};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::try_default().await?;
    let namespace = env::var("NAMESPACE")?;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    create(&Api::all(client.clone()), &maps, &namespace).await.context("create")?;
    patch(&maps).await.context("patch")?;
    apply(&maps).await.context("apply")?;
    pages(&maps).await.context("pages")?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    run(&deployments).await.context("run")?;
    execute(&pods).await.context("exec")?;
    watch_through_a_restart(&maps).await.context("watch through a restart")?;
    delete(&deployments, &pods, &maps).await.context("delete")?;
    Api::<Namespace>::all(client).delete(&namespace, &DeleteParams::default()).await?;
    done("delete");
    Ok(())
}

fn done(step: &str) {
    println!("ok {step}");
}

fn typed<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("it is of that type")
}

fn config_map(name: &str) -> ConfigMap {
    typed(json!({"metadata": {"name": name, "labels": {"set": "pages"}}, "data": {"a": "b"}}))
}

/// The answer has to be this refusal.
fn refused<T: std::fmt::Debug>(answer: kube::Result<T>, code: u16, reason: &str) -> Result<()> {
    match answer {
        Err(kube::Error::Api(status)) if status.code == code && status.reason == reason => Ok(()),
        other => bail!("{other:?} instead of {code} {reason}"),
    }
}

async fn create(namespaces: &Api<Namespace>, maps: &Api<ConfigMap>, namespace: &str) -> Result<()> {
    let post = PostParams::default();
    namespaces.create(&post, &typed(json!({"metadata": {"name": namespace}}))).await?;
    let made = maps.create(&post, &config_map("first")).await?;
    ensure!(made.uid().is_some() && made.resource_version().is_some());
    refused(maps.create(&post, &config_map("first")).await, 409, "AlreadyExists")?;
    refused(maps.create(&post, &config_map("Bad_Name")).await, 422, "Invalid")?;
    refused(maps.get("absent").await, 404, "NotFound")?;
    ensure!(maps.get_opt("absent").await?.is_none());
    ensure!(maps.get_metadata("first").await?.labels()["set"] == "pages");
    maps.create(&PostParams { dry_run: true, ..post }, &config_map("dry")).await?;
    ensure!(maps.get_opt("dry").await?.is_none());
    done("create");
    Ok(())
}

async fn patch(maps: &Api<ConfigMap>) -> Result<()> {
    let params = PatchParams::default();
    let merge = json!({"data": {"a": null, "c": "d"}});
    maps.patch("first", &params, &Patch::Merge(&merge)).await?;
    let strategic = json!({"data": {"e": "f"}});
    let patched = maps.patch("first", &params, &Patch::Strategic(&strategic)).await?;
    ensure!(serde_json::to_value(&patched.data)? == json!({"c": "d", "e": "f"}), "{patched:?}");
    let mut stale = maps.get("first").await?;
    maps.patch_metadata("first", &params, &Patch::Merge(&json!({"metadata": {"labels": {"x": "y"}}})))
        .await?;
    stale.data.get_or_insert_default().insert("g".into(), "h".into());
    refused(maps.replace("first", &PostParams::default(), &stale).await, 409, "Conflict")?;
    done("patch");
    Ok(())
}

async fn apply(maps: &Api<ConfigMap>) -> Result<()> {
    let wanted = |word: &str| {
        Patch::Apply(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"k": word}}),
        )
    };
    let once = maps.patch("applied", &PatchParams::apply("first"), &wanted("one")).await?;
    let twice = maps.patch("applied", &PatchParams::apply("first"), &wanted("one")).await?;
    ensure!(once.resource_version() == twice.resource_version(), "applying the same again changes nothing");
    refused(maps.patch("applied", &PatchParams::apply("second"), &wanted("two")).await, 409, "Conflict")?;
    let forced = maps.patch("applied", &PatchParams::apply("second").force(), &wanted("two")).await?;
    ensure!(forced.data.is_some_and(|data| data["k"] == "two"));
    done("apply");
    Ok(())
}

async fn pages(maps: &Api<ConfigMap>) -> Result<()> {
    let mut expected = vec!["first".to_owned()];
    for number in 0..25 {
        expected.push(format!("page-{number:02}"));
        maps.create(&PostParams::default(), &config_map(&expected[number + 1])).await?;
    }
    let (mut names, mut revisions) = (Vec::new(), BTreeSet::new());
    let mut params = ListParams::default().labels("set=pages").limit(10);
    loop {
        let page = maps.list(&params).await?;
        revisions.insert(page.metadata.resource_version.clone());
        names.extend(page.items.iter().map(ResourceExt::name_any));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    ensure!(names == expected, "{names:?}");
    ensure!(revisions.len() == 1, "all pages are of one revision: {revisions:?}");
    done("pages");
    Ok(())
}

async fn run(deployments: &Api<Deployment>) -> Result<()> {
    let web = typed(json!({"metadata": {"name": "web"}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"terminationGracePeriodSeconds": 0, "containers":
            [{"name": "c", "image": env::var("IMAGE")?, "imagePullPolicy": "IfNotPresent"}]}}}}));
    deployments.create(&PostParams::default(), &web).await?;
    await_condition(deployments.clone(), "web", conditions::is_deployment_completed()).await?;
    let scale = json!({"spec": {"replicas": 2}});
    deployments.patch_scale("web", &PatchParams::default(), &Patch::Merge(&scale)).await?;
    ensure!(deployments.get_scale("web").await?.spec.and_then(|spec| spec.replicas) == Some(2));
    await_condition(deployments.clone(), "web", |web: Option<&Deployment>| {
        let status = web.and_then(|web| web.status.as_ref());
        status.is_some_and(|status| status.available_replicas == Some(2))
    })
    .await?;
    Ok(())
}

async fn execute(pods: &Api<Pod>) -> Result<()> {
    let pod = pods.list(&ListParams::default().labels("app=web")).await?.items.remove(0).name_any();
    let mut echo = pods.exec(&pod, ["/demo", "echo", "ahoy"], &AttachParams::default()).await?;
    let mut said = String::new();
    echo.stdout().context("stdout")?.read_to_string(&mut said).await?;
    ensure!(said == "ahoy\n", "{said:?}");
    let mut cat =
        pods.exec(&pod, ["/demo", "cat"], &AttachParams::default().stdin(true).stderr(false)).await?;
    let mut stdin = cat.stdin().context("stdin")?;
    let typed = "0123456789abcdef".repeat(64 * 1024);
    let mut stdout = cat.stdout().context("stdout")?;
    let mut back = vec![0; typed.len()];
    let (wrote, read) = tokio::join!(stdin.write_all(typed.as_bytes()), stdout.read_exact(&mut back));
    wrote?;
    read?;
    ensure!(back == typed.as_bytes());
    cat.abort();
    let mut failed = pods.exec(&pod, ["/demo", "exit", "7"], &AttachParams::default()).await?;
    let status = failed.take_status().context("a status")?.await.context("it has ended")?;
    ensure!(status.reason.as_deref() == Some("NonZeroExitCode"), "{status:?}");
    ensure!(!pods.logs(&pod, &LogParams { tail_lines: Some(1), ..LogParams::default() }).await?.is_empty());
    let mut forward = pods.portforward(&pod, &[8080]).await?;
    let mut port = forward.take_stream(8080).context("a port")?;
    port.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await?;
    let mut page = String::new();
    port.read_to_string(&mut page).await?;
    ensure!(page.starts_with("HTTP/1.") && page.contains("200"), "{page}");
    done("exec");
    Ok(())
}

async fn watch_through_a_restart(maps: &Api<ConfigMap>) -> Result<()> {
    let change = async |word: &str| {
        let patch = json!({"data": {"n": word}});
        maps.patch("first", &PatchParams::default(), &Patch::Merge(&patch)).await
    };
    change("1").await?;
    let selected = watcher::Config::default().fields("metadata.name=first");
    let mut watch = pin!(watcher(maps.clone(), selected).default_backoff().applied_objects());
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "3") {
        // What it says of the gateway that was away is not the end of it.
        let object = match watch.try_next().await {
            Ok(object) => object.context("the watch ended")?,
            Err(_) => continue,
        };
        seen.push(object.data.context("data")?["n"].clone());
        match seen.last().map(String::as_str) {
            Some("1") => drop(change("2").await?),
            Some("2") => {
                let restart = tokio::process::Command::new(env::var("RESTART")?).output().await?;
                ensure!(restart.status.success(), "{restart:?}");
                while change("3").await.is_err() {
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
            _ => {}
        }
    }
    seen.dedup();
    ensure!(seen == ["1", "2", "3"], "{seen:?}");
    done("watch through a restart");
    Ok(())
}

async fn delete(deployments: &Api<Deployment>, pods: &Api<Pod>, maps: &Api<ConfigMap>) -> Result<()> {
    let foreground =
        DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() };
    deployments.delete("web", &foreground).await?;
    let mut watch = pin!(watcher(pods.clone(), watcher::Config::default()).default_backoff());
    while !pods.list(&ListParams::default()).await?.items.is_empty() {
        watch.next().await;
    }
    maps.delete_collection(&DeleteParams::default(), &ListParams::default().labels("set=pages")).await?;
    let left: Vec<String> =
        maps.list(&ListParams::default()).await?.items.iter().map(ResourceExt::name_any).collect();
    ensure!(left == ["applied", "kube-root-ca.crt"], "{left:?}");
    Ok(())
}
