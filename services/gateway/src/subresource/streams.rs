//! `log`, `exec`, `attach` and `portforward` of pods: dialled through the node that has the pod.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{Response, StatusCode};
use rutter_apimachinery::status::{Status, Subject};
use rutter_schemas::protocol::dial::{DialTarget, LogOptions, PodRef, channel};
use serde_json::Value;

use crate::body::{self, Body, BodyError};
use crate::chain::Call;
use crate::encode::respond;
use crate::node::dial::{Dialled, Heard};
use crate::request::Query;
use crate::store::failed;
use crate::stream::bridge;
use crate::stream::portforward::{self, Destination};
use crate::stream::remote_command::{self, Channels};
use crate::stream::upgrade::{self, Wanted};
use crate::stream::websocket::{self, Channeled};

/// A pod that is on a node.
struct Placed {
    node: String,
    pod: PodRef,
    object: Value,
}

/// # Errors
/// 404 for the pod, 400 for a container or a protocol it doesn't have, what the node refuses.
pub(super) async fn serve(mut call: Call) -> Result<Response<Body>, Status> {
    let placed = placed(&call).await?;
    let what = call.info.subresource.clone();
    match what.as_str() {
        "log" => log(&mut call, placed).await,
        "portforward" => port_forward(&mut call, placed),
        _ => command(&mut call, placed, what == "exec").await,
    }
}

async fn placed(call: &Call) -> Result<Placed, Status> {
    let snapshot = call.gateway.store.current().await?;
    let record =
        snapshot.get(&call.key()).map_err(|error| failed(&error))?.ok_or_else(|| call.not_found())?;
    let object: Value = serde_json::from_slice(&record.object).map_err(|error| failed(&error))?;
    let node = object.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default().to_owned();
    if node.is_empty() {
        let (name, what) = (&call.info.name, &call.info.subresource);
        // An empty log is what upstream answers for a pod that waits; a command has nowhere to go.
        if what != "log" {
            return Err(Status::bad_request(format!("pod {name} does not have a host assigned")));
        }
    }
    let pod = PodRef {
        namespace: call.info.namespace.clone(),
        name: call.info.name.clone(),
        uid: record.uid.to_string(),
    };
    Ok(Placed { node, pod, object })
}

async fn log(call: &mut Call, placed: Placed) -> Result<Response<Body>, Status> {
    let options = log_options(&call.query)?;
    let container = container(&placed.object, &call.query)?;
    if placed.node.is_empty() {
        let mut nothing = Response::new(body::empty());
        *nothing.status_mut() = StatusCode::NO_CONTENT;
        return Ok(nothing);
    }
    let target = DialTarget::Logs { pod: placed.pod, container, options };
    let over_websocket = match upgrade::wanted(&call.headers) {
        Some(Wanted::WebSocket) => Some(agreed(call, &websocket::READER, &[])?),
        _ => None,
    };
    let dialled = call.gateway.dialler.dial(&placed.node, target).await?;
    let Some((wanted, protocol)) = over_websocket else {
        return Ok(respond::with_body(StatusCode::OK, "text/plain", body::stream(logged(dialled))));
    };
    let (answer, upgrade) = upgraded(call, wanted, protocol)?;
    tokio::spawn(websocket::bytes(upgrade, protocol, logged(dialled)));
    Ok(answer)
}

fn logged(dialled: Dialled) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static {
    let (sending, hearing) = dialled.split();
    // The sending side is kept, so that the node is told when the client stops reading.
    let parts = futures::stream::unfold((sending, hearing), |(sending, mut hearing)| async move {
        let heard = hearing.next().await?;
        Some((heard, (sending, hearing)))
    });
    parts.filter_map(|heard| async {
        match heard {
            Heard::Data { channel: channel::STDOUT, bytes } => Some(Ok(bytes)),
            Heard::End { reason } if !reason.is_empty() => Some(Err(BodyError::from(reason))),
            Heard::Data { .. } | Heard::Eof { .. } | Heard::End { .. } => None,
        }
    })
}

fn log_options(query: &Query) -> Result<LogOptions, Status> {
    let number = |name: &str| -> Result<Option<u64>, Status> {
        let Some(text) = query.get(name) else { return Ok(None) };
        let invalid = || {
            Status::bad_request(format!("unable to decode query parameters: {name}: {text:?} is no number"))
        };
        text.parse().map(Some).map_err(|_| invalid())
    };
    let since_seconds = number("sinceSeconds")?;
    let since = since_seconds.map(|seconds| {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX / 2);
        let since = jiff::Timestamp::now().checked_sub(jiff::SignedDuration::from_secs(seconds));
        since.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
    });
    Ok(LogOptions {
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        timestamps: query.flag("timestamps"),
        tail_lines: number("tailLines")?,
        limit_bytes: number("limitBytes")?,
        since_time: query.get("sinceTime").map(str::to_owned).or(since),
        stream: query.get("stream").filter(|stream| *stream != "All").map(str::to_owned),
    })
}

/// The container that was named, or the only one, or the one that the pod names as its default
/// (k8s.io/kubernetes pkg/registry/core/pod/strategy.go, LogLocation).
fn container(pod: &Value, query: &Query) -> Result<String, Status> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let names = |field: &str| -> Vec<String> {
        let list = pod["spec"][field].as_array().into_iter().flatten();
        list.filter_map(|container| container["name"].as_str()).map(str::to_owned).collect()
    };
    let (main, init, ephemeral) =
        (names("containers"), names("initContainers"), names("ephemeralContainers"));
    match query.get("container") {
        Some(asked) if main.iter().chain(&init).chain(&ephemeral).any(|known| known == asked) => {
            Ok(asked.to_owned())
        }
        Some(asked) => Err(Status::bad_request(format!("container {asked} is not valid for pod {name}"))),
        None => match main.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Status::bad_request(format!("a container name must be specified for pod {name}"))),
            several => {
                let default = pod.pointer("/metadata/annotations/kubectl.kubernetes.io~1default-container");
                let default = default
                    .and_then(Value::as_str)
                    .filter(|default| several.iter().any(|known| known == default));
                default.map(str::to_owned).ok_or_else(|| {
                    let mut words = format!(
                        "a container name must be specified for pod {name}, choose one of: [{}]",
                        several.join(" ")
                    );
                    if !init.is_empty() {
                        words.push_str(&format!(" or one of the init containers: [{}]", init.join(" ")));
                    }
                    Status::bad_request(words)
                })
            }
        },
    }
}

async fn command(call: &mut Call, placed: Placed, exec: bool) -> Result<Response<Body>, Status> {
    let flag = |name: &str| call.query.flag(name);
    let (stdin, stdout, stderr, tty) = (flag("stdin"), flag("stdout"), flag("stderr"), flag("tty"));
    let channels = Channels { stdin, stdout, stderr: stderr && !tty, tty };
    if !stdin && !stdout && !stderr {
        return Err(Status::bad_request("you must specify at least one of stdin, stdout, stderr"));
    }
    let container = container(&placed.object, &call.query)?;
    let target = match exec {
        true => {
            let command: Vec<String> = call.query.all("command").map(str::to_owned).collect();
            if command.is_empty() {
                return Err(Status::bad_request("you must specify at least 1 command for the container"));
            }
            DialTarget::Exec {
                pod: placed.pod,
                container,
                command,
                stdin,
                stdout,
                stderr: channels.stderr,
                tty,
            }
        }
        false => {
            DialTarget::Attach { pod: placed.pod, container, stdin, stdout, stderr: channels.stderr, tty }
        }
    };
    let (wanted, protocol) = agreed(call, &remote_command::WEBSOCKET, &remote_command::SPDY)?;
    let dialled = call.gateway.dialler.dial(&placed.node, target).await?;
    let (answer, upgrade) = upgraded(call, wanted, protocol)?;
    tokio::spawn(async move {
        if let Some(link) = remote_command::link(upgrade, wanted, protocol, channels).await {
            bridge::run(link, dialled).await;
        }
    });
    Ok(answer)
}

fn port_forward(call: &mut Call, placed: Placed) -> Result<Response<Body>, Status> {
    let (wanted, protocol) = agreed(call, &portforward::WEBSOCKET, &portforward::SPDY)?;
    let ports: Result<Vec<u16>, _> =
        call.query.all("ports").flat_map(|list| list.split(',')).map(str::parse).collect();
    let ports = ports.map_err(|_| Status::bad_request("query parameter \"ports\" is not a list of ports"))?;
    let (answer, upgrade) = upgraded(call, wanted, protocol)?;
    let destination =
        Destination { dialler: call.gateway.dialler.clone(), node: placed.node, pod: placed.pod };
    let tunnelled = protocol == portforward::TUNNEL;
    if tunnelled || wanted == Wanted::Spdy {
        tokio::spawn(portforward::over_spdy(upgrade, tunnelled, destination));
    } else {
        tokio::spawn(portforward::over_channels(upgrade, Channeled::named(protocol), ports, destination));
    }
    Ok(answer)
}

/// What both sides speak.
fn agreed(
    call: &Call,
    websocket: &[&'static str],
    spdy: &[&'static str],
) -> Result<(Wanted, &'static str), Status> {
    let Some(wanted) = upgrade::wanted(&call.headers) else {
        return Err(Status::bad_request("Upgrade request required"));
    };
    let offered = upgrade::offered(&call.headers, wanted);
    let ours = if wanted == Wanted::WebSocket { websocket } else { spdy };
    // Who offers nothing speaks the last.
    let oldest = ours.last().copied().filter(|_| offered.is_empty());
    let agreed = upgrade::agreed(ours, &offered).or(oldest);
    agreed.map(|protocol| (wanted, protocol)).ok_or_else(|| {
        let words = format!("unable to upgrade: unable to negotiate protocol: client supports {offered:?}, server accepts {ours:?}");
        let mut status = Status::forbidden(Subject::new("", ""), "", &words);
        status.message = words;
        status
    })
}

fn upgraded(
    call: &mut Call,
    wanted: Wanted,
    protocol: &str,
) -> Result<(Response<Body>, hyper::upgrade::OnUpgrade), Status> {
    let cannot = || Status::bad_request("the connection cannot be upgraded");
    let upgrade = call.upgrade.take().ok_or_else(cannot)?;
    let offered = !upgrade::offered(&call.headers, wanted).is_empty();
    let answer = upgrade::switching(&call.headers, wanted, offered.then_some(protocol)).ok_or_else(cannot)?;
    Ok((answer, upgrade))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_container_is_the_named_one_the_only_one_or_the_default() {
        let one = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "i"}]}});
        let mut two =
            json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
        let of =
            |pod: &Value, query: &str| container(pod, &Query::parse(query)).map_err(|status| status.message);
        assert_eq!(of(&one, "").as_deref(), Ok("a"));
        assert_eq!(of(&one, "container=i").as_deref(), Ok("i"));
        assert_eq!(of(&one, "container=x"), Err("container x is not valid for pod p".into()));
        assert_eq!(
            of(&two, ""),
            Err("a container name must be specified for pod p, choose one of: [a b]".into())
        );
        two["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/default-container": "b"});
        assert_eq!(of(&two, "").as_deref(), Ok("b"));
    }
}
