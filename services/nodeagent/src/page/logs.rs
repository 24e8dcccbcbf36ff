//! `/containerLogs/<namespace>/<pod>/<container>`: a container's log, asked for as `pods/log` is.

use futures::StreamExt;
use hyper::{Response, StatusCode};
use rutter_schemas::protocol::dial::{LogOptions, PodRef};

use super::{Body, streamed, text};
use crate::stream::Streams;

pub(super) async fn page(streams: &Streams, path: [&str; 3], query: &str) -> Response<Body> {
    let [namespace, name, container] = path.map(str::to_owned);
    let Some(options) = options(query) else {
        return text(StatusCode::BAD_REQUEST, r#"{"message": "Unable to decode query."}"#);
    };
    let (of, asked) = (PodRef { namespace, name: name.clone(), uid: String::new() }, container.clone());
    let pod = of.clone();
    let known = streams.look(move |node| {
        let machine = node.pod_named(&pod.namespace, &pod.name)?;
        Some(machine.pod().container(&asked).is_some())
    });
    match known.await {
        Ok(Some(true)) => {}
        Ok(Some(false)) => {
            let words = format!("container {container:?} not found in pod {name:?}");
            return text(StatusCode::NOT_FOUND, &words);
        }
        Ok(None) => return text(StatusCode::NOT_FOUND, &format!("pod {name:?} does not exist")),
        Err(_) => return super::ending(),
    }
    match streams.log(of, container, options).await {
        Ok(pieces) => streamed("text/plain", pieces.map(Ok)),
        Err(refused) => text(StatusCode::BAD_REQUEST, refused.words()),
    }
}

/// `PodLogOptions`; none if a number is none.
fn options(query: &str) -> Option<LogOptions> {
    let mut options = LogOptions::default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    for (name, value) in pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
        let flag = !matches!(value.to_ascii_lowercase().as_str(), "false" | "0");
        match name {
            "follow" => options.follow = flag,
            "previous" => options.previous = flag,
            "timestamps" => options.timestamps = flag,
            "tail" if value == "all" => {}
            "tailLines" | "tail" => options.tail_lines = Some(value.parse().ok()?),
            "limitBytes" => options.limit_bytes = Some(value.parse().ok()?),
            "sinceSeconds" => {
                let seconds = jiff::SignedDuration::from_secs(value.parse().ok()?);
                options.since_time = Some(jiff::Timestamp::now().checked_sub(seconds).ok()?.to_string());
            }
            "sinceTime" => {
                let plain = percent_encoding::percent_decode_str(value).decode_utf8().ok()?;
                options.since_time = Some(plain.parse::<jiff::Timestamp>().ok()?.to_string());
            }
            "stream" => options.stream = Some(value.to_owned()).filter(|stream| stream != "All"),
            _ => {}
        }
    }
    Some(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_asked_for_as_pod_log_options_say() {
        let asked = options("tail=5&timestamps=true&sinceTime=2026-01-01T00%3A00%3A00Z").expect("good");
        assert_eq!((asked.tail_lines, asked.timestamps, asked.follow), (Some(5), true, false));
        assert_eq!(asked.since_time.as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(options("tail=all").expect("good").tail_lines, None);
        assert!(options("limitBytes=many").is_none());
    }
}
