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
}

pub(crate) async fn token(client: &Client) -> Result<()> {
    let token: Token = client.json(Method::POST, "/apis/rutter.dev/v1/tokens", Some(&json!({}))).await?;
    print::line(&token.token)
}
