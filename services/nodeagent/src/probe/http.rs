//! HTTP probes: any answer from 200 to 399 is good. Certificates are not checked, as upstream.

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::super::tls;

pub(crate) async fn http(
    host: &str,
    port: u16,
    path: &str,
    use_tls: bool,
    headers: &[(String, String)],
) -> Result<(), String> {
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(|why| format!("Get {path:?}: dial tcp {host}:{port}: {why}"))?;
    if use_tls {
        let stream =
            tls::connect_unchecked(host, stream).await.map_err(|why| format!("Get {path:?}: {why}"))?;
        return ask(stream, host, port, path, headers).await;
    }
    ask(stream, host, port, path, headers).await
}

async fn ask<S>(
    stream: S,
    host: &str,
    port: u16,
    path: &str,
    headers: &[(String, String)],
) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let failed = |why: hyper::Error| format!("Get {path:?}: {why}");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let connection = tokio::spawn(connection);
    let request = request(host, port, path, headers).map_err(|why| format!("Get {path:?}: {why}"))?;
    let answer = sender.send_request(request).await.map_err(failed);
    connection.abort();
    let code = answer?.status().as_u16();
    if (200..400).contains(&code) {
        Ok(())
    } else {
        Err(format!("HTTP probe failed with statuscode: {code}"))
    }
}

fn request(
    host: &str,
    port: u16,
    path: &str,
    headers: &[(String, String)],
) -> Result<Request<Empty<Bytes>>, hyper::http::Error> {
    let given =
        |name: header::HeaderName| headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name.as_str()));
    let mut request = Request::get(path);
    if !given(header::HOST) {
        request = request.header(header::HOST, format!("{host}:{port}"));
    }
    if !given(header::USER_AGENT) {
        request = request.header(header::USER_AGENT, "kube-probe/1.36");
    }
    if !given(header::ACCEPT) {
        request = request.header(header::ACCEPT, "*/*");
    }
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).body(Empty::new())
}
