//! GET over plain HTTP/1.0.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::dns;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The body of a 2xx answer; anything else is an error.
pub(crate) fn get(url: &str) -> Result<Vec<u8>, String> {
    let rest = url.strip_prefix("http://").ok_or("only http:// is spoken here")?;
    let (authority, path) =
        rest.split_once('/').map_or((rest, String::new()), |(a, path)| (a, path.to_owned()));
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
    let port: u16 = port.parse().map_err(|_| format!("{port} is not a port"))?;
    let address = SocketAddr::from((dns::resolve(host)?, port));
    let answer = exchange(address, authority, &path).map_err(|error| format!("{address}: {error}"))?;
    body(&answer)
}

/// The body of a whole answer, if that is a 2xx.
pub(crate) fn body(answer: &[u8]) -> Result<Vec<u8>, String> {
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or("the answer has no end of headers")?;
    let status = String::from_utf8_lossy(&answer[..end]).lines().next().unwrap_or_default().to_owned();
    if !status.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) {
        return Err(format!("{status}\n{}", String::from_utf8_lossy(&answer[end + 4..]))
            .trim_end()
            .to_owned());
    }
    Ok(answer[end + 4..].to_vec())
}

fn exchange(address: SocketAddr, authority: &str, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /{path} HTTP/1.0\r\nhost: {authority}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
