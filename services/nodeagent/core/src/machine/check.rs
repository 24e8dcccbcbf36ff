//! Probes and hooks with everything filled in: names of ports, the pod's address.

use std::net::IpAddr;

use crate::view::{Container, Handler, HttpHeader, PortValue};

/// A question to a container, or a thing to do in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    Exec {
        command: Vec<String>,
    },
    Http {
        host: String,
        port: u16,
        path: String,
        tls: bool,
        headers: Vec<(String, String)>,
    },
    Tcp {
        host: String,
        port: u16,
    },
    Grpc {
        host: String,
        port: u16,
        service: String,
    },
    Sleep {
        secs: u64,
    },
    /// It can't be asked; fails with these words.
    Impossible {
        why: String,
    },
}

/// What `handler` means for `container` in a pod at `address`.
pub fn check(handler: &Handler, container: &Container, address: Option<IpAddr>) -> Check {
    let here = address.map(|ip| ip.to_string()).unwrap_or_default();
    let host = |given: &str| if given.is_empty() { here.clone() } else { given.to_owned() };
    let impossible = |port: &PortValue| Check::Impossible { why: format!("unable to find a port {port:?}") };
    if let Some(exec) = &handler.exec {
        return Check::Exec { command: exec.command.clone() };
    }
    if let Some(http) = &handler.http_get {
        let Some(port) = container.port(&http.port) else { return impossible(&http.port) };
        let slash = if http.path.starts_with('/') { "" } else { "/" };
        return Check::Http {
            host: host(&http.host),
            port,
            path: format!("{slash}{}", http.path),
            tls: http.scheme.eq_ignore_ascii_case("https"),
            headers: http.http_headers.iter().map(header).collect(),
        };
    }
    if let Some(tcp) = &handler.tcp_socket {
        let Some(port) = container.port(&tcp.port) else { return impossible(&tcp.port) };
        return Check::Tcp { host: host(&tcp.host), port };
    }
    if let Some(grpc) = &handler.grpc {
        return Check::Grpc { host: here, port: grpc.port, service: grpc.service.clone() };
    }
    match &handler.sleep {
        Some(sleep) => Check::Sleep { secs: sleep.seconds },
        None => Check::Impossible { why: "no handler is given".to_owned() },
    }
}

fn header(header: &HttpHeader) -> (String, String) {
    (header.name.clone(), header.value.clone())
}
