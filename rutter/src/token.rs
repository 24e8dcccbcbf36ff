//! One-time tokens, with which a machine joins as a node.

use anyhow::Result;
use http::Method;
use rutter_client::Client;
use serde::Deserialize;
use serde_json::json;

use crate::print;

#[derive(Deserialize)]
struct Token {
    token: String,
    /// RFC 3339.
    expires: String,
}

pub(crate) async fn token(client: &Client) -> Result<()> {
    let made: Token = client.json(Method::POST, "/apis/rutter.dev/v1/tokens", Some(&json!({}))).await?;
    eprintln!(
        "  good for one machine, until {}: rutter join https://<this cluster's API> --token …",
        made.expires
    );
    print::line(&made.token)
}
