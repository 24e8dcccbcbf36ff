//! Whom to ask: a `clientConfig`, as definitions and admission configurations write it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Where a webhook is, and by whom its certificate has to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Hook {
    pub(super) at: At,
    /// PEM; empty: whom this machine trusts.
    pub(super) ca: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum At {
    Url(String),
    Service { namespace: String, name: String, port: u16, path: String },
}

/// What a Service is asked at, unless it is said.
const HTTPS: u16 = 443;

impl Hook {
    /// # Errors
    /// When it names nobody.
    pub(crate) fn read(config: &Value) -> Result<Hook, String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let ca = STANDARD.decode(text(&config["caBundle"]));
        let mut ca = ca.map_err(|error| format!("unable to load root certificates: {error}"))?;
        if ca.trim_ascii().is_empty() {
            ca.clear();
        }
        let (service, url) = (&config["service"], text(&config["url"]));
        let at = match service.is_object() {
            true => At::Service {
                namespace: text(&service["namespace"]),
                name: text(&service["name"]),
                port: service["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(HTTPS),
                path: text(&service["path"]),
            },
            false if url.is_empty() => {
                return Err("webhook configuration must have either service or URL".to_owned());
            }
            false => At::Url(url),
        };
        Ok(Hook { at, ca })
    }

    /// What is posted to. It says for how long the answer is waited for.
    pub(super) fn url(&self, patience: Duration) -> String {
        let (base, path) = match &self.at {
            At::Url(url) => {
                let from = url.find("://").map_or(0, |at| at + 3);
                url.split_at(url[from..].find('/').map_or(url.len(), |at| from + at))
            }
            At::Service { namespace, name, port, path } => {
                return format!("https://{name}.{namespace}.svc:{port}{}", asked(path, patience));
            }
        };
        format!("{base}{}", asked(path, patience))
    }
}

fn asked(path: &str, patience: Duration) -> String {
    let slash = if path.starts_with('/') { "" } else { "/" };
    let time = match patience.subsec_millis() {
        0 => format!("{}s", patience.as_secs()),
        _ => format!("{}ms", patience.as_millis()),
    };
    format!("{slash}{path}?timeout={time}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_hook_is_asked_at_its_url_or_at_its_services_name() {
        let url =
            |config: Value, millis| Hook::read(&config).map(|hook| hook.url(Duration::from_millis(millis)));
        let cases = [
            (json!({"url": "https://a.b/c"}), 30_000, "https://a.b/c?timeout=30s"),
            (json!({"url": "https://a.b:8443"}), 1_500, "https://a.b:8443/?timeout=1500ms"),
            (
                json!({"service": {"namespace": "n", "name": "s", "path": "/x", "port": 9443}}),
                30_000,
                "https://s.n.svc:9443/x?timeout=30s",
            ),
            (json!({"service": {"namespace": "n", "name": "s"}}), 30_000, "https://s.n.svc:443/?timeout=30s"),
        ];
        for (config, millis, expected) in cases {
            assert_eq!(url(config, millis).as_deref(), Ok(expected));
        }
        assert_eq!(url(json!({}), 1).unwrap_err(), "webhook configuration must have either service or URL");
        assert!(Hook::read(&json!({"url": "https://a", "caBundle": "?"})).is_err());
        // Blank is none.
        assert_eq!(Hook::read(&json!({"url": "https://a", "caBundle": "IAo="})).unwrap().ca, b"");
    }
}
