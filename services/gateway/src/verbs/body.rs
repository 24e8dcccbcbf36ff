//! What a client sent: the body in one of the formats we read, as an object.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use hyper::body::Incoming;
use rutter_apimachinery::decode::{self, Decoded, FieldValidation};
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::status::Status;
use rutter_apimachinery::{protobuf, tables};
use serde_json::Value;

use crate::body;
use crate::chain::Call;
use crate::request::accept::SUPPORTED;
use crate::request::{ContentType, Format};

/// A body that was read, and how it is encoded.
#[derive(Debug, Clone)]
pub struct Sent {
    pub bytes: Bytes,
    pub format: Format,
}

impl Sent {
    /// # Errors
    /// 415 for a format we don't read, 413 above the limit, 400 when the client broke off.
    pub async fn read(headers: &HeaderMap, incoming: Option<Incoming>) -> Result<Sent, Status> {
        let header = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let Some(format) = ContentType::format(header) else {
            return Err(Status::unsupported_media_type(&SUPPORTED));
        };
        let bytes = match incoming {
            Some(incoming) => body::read(incoming).await?,
            None => Bytes::new(),
        };
        Ok(Sent { bytes, format })
    }

    /// The body as an object of `resource`.
    ///
    /// # Errors
    /// 400 in upstream's words.
    pub fn object(&self, resource: &Resource, validation: FieldValidation) -> Result<Decoded, Status> {
        match self.format {
            Format::Json => decode::from_json(&self.bytes, resource, validation),
            Format::Yaml => decode::from_yaml(&self.bytes, resource, validation),
            Format::Protobuf => {
                let expected = resource.group_version_kind();
                Ok(Decoded { object: from_protobuf(&self.bytes, Some(&expected))?, warnings: Vec::new() })
            }
        }
    }

    /// The body as an object of any kind: options, reviews, subresources. Its fields are not checked against a schema.
    ///
    /// # Errors
    /// 400.
    pub fn value(&self) -> Result<Value, Status> {
        if self.bytes.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        let unreadable =
            |error: &dyn std::fmt::Display| Status::bad_request(format!("error decoding the body: {error}"));
        match self.format {
            Format::Json => serde_json::from_slice(&self.bytes).map_err(|error| unreadable(&error)),
            Format::Yaml => serde_saphyr::from_slice(&self.bytes).map_err(|error| unreadable(&error)),
            Format::Protobuf => from_protobuf(&self.bytes, None),
        }
    }
}

fn from_protobuf(bytes: &[u8], expected: Option<&tables::GroupVersionKind>) -> Result<Value, Status> {
    protobuf::decode(bytes, expected).map_err(|error| Status::bad_request(error.to_string()))
}

impl Call {
    /// Reads the body, once.
    ///
    /// # Errors
    /// As [`Sent::read`].
    pub async fn sent(&mut self) -> Result<Sent, Status> {
        let body = self.body.take();
        Sent::read(&self.headers, body).await
    }
}
