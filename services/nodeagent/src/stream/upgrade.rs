//! A connection to the runtime's streaming server that becomes SPDY/3.1 (`Upgrade` in HTTP/1.1, as client-go asks).

use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::header::{CONNECTION, HOST, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// It listens on this machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Asks for the streams of `protocol`.
///
/// # Errors
/// Why there is no connection, or what the server answers instead.
pub(super) async fn to_spdy(url: &str, protocol: &str) -> Result<TokioIo<Upgraded>, String> {
    let asked = tokio::time::timeout(ANSWER_TIMEOUT, ask(url, protocol)).await;
    asked.map_err(|_| "the runtime's streaming server doesn't answer".to_owned())?
}

async fn ask(url: &str, protocol: &str) -> Result<TokioIo<Upgraded>, String> {
    let failed = |why: &dyn std::fmt::Display| format!("the runtime's streaming server: {why}");
    let url: Uri = url.parse().map_err(|why| failed(&why))?;
    let authority = url.authority().ok_or_else(|| failed(&format!("{url} names no server")))?.as_str();
    let stream = TcpStream::connect(authority).await.map_err(|why| failed(&why))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|why| failed(&why))?;
    tokio::spawn(connection.with_upgrades());
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::post(path)
        .header(HOST, authority)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "SPDY/3.1")
        .header("X-Stream-Protocol-Version", protocol)
        .body(Empty::<Bytes>::new())
        .map_err(|why| failed(&why))?;
    let answer = sender.send_request(request).await.map_err(|why| failed(&why))?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let upgraded = hyper::upgrade::on(answer).await.map_err(|why| failed(&why))?;
        return Ok(TokioIo::new(upgraded));
    }
    let status = answer.status();
    let words = answer.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    Err(failed(&format!("{status}: {}", String::from_utf8_lossy(&words).trim())))
}
