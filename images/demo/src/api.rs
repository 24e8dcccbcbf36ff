//! The cluster's API as a pod finds it: by its environment, with the token and the authority that are mounted for it.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::{dns, http};

const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a path of the API answers to the pod's account, if that is a 2xx. The server is `host`, or who the environment
/// says.
pub(crate) fn get(path: &str, host: Option<&str>) -> Result<Vec<u8>, String> {
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let host = host.map_or_else(|| variable("KUBERNETES_SERVICE_HOST"), |host| Ok(host.to_owned()))?;
    let port = variable("KUBERNETES_SERVICE_PORT")?;
    let port: u16 = port.parse().map_err(|_| format!("{port} is not a port"))?;
    let token =
        std::fs::read_to_string(format!("{MOUNT}/token")).map_err(|error| format!("token: {error}"))?;
    let tls = tls(&host)?;
    let address = SocketAddr::from((dns::resolve(&host)?, port));
    let request = format!(
        "GET {path} HTTP/1.0\r\nhost: {host}\r\naccept: application/json\r\nauthorization: Bearer {}\r\n\r\n",
        token.trim()
    );
    let answer = exchange(address, tls, &request).map_err(|error| format!("{address}: {error}"))?;
    http::body(&answer)
}

/// A connection that trusts the cluster's authority alone, and takes nobody else for `host`.
fn tls(host: &str) -> Result<ClientConnection, String> {
    let file = File::open(format!("{MOUNT}/ca.crt")).map_err(|error| format!("ca.crt: {error}"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_reader_iter(BufReader::new(file)) {
        let certificate = certificate.map_err(|error| format!("ca.crt: {error}"))?;
        roots.add(certificate).map_err(|error| format!("ca.crt: {error}"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| format!("{host}: {error}"))?;
    ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())
}

fn exchange(address: SocketAddr, tls: ClientConnection, request: &str) -> io::Result<Vec<u8>> {
    let socket = TcpStream::connect_timeout(&address, TIMEOUT)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    let mut stream = StreamOwned::new(tls, socket);
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // It hung up without TLS's own goodbye.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(answer),
    }
}
