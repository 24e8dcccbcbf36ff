//! One object in the format and shape that was asked for. The common case, JSON as stored, copies nothing.

use bytes::Bytes;
use jiff::Timestamp;
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::status::Status;
use rutter_apimachinery::table::{Asked, Include};
use rutter_apimachinery::{protobuf, table};
use serde_json::Value;

use crate::request::accept::{JSON, SUPPORTED, YAML};
use crate::request::{Accept, Format, Query, Shape};
use crate::store::failed;

/// How much of each object a Table's rows carry.
///
/// # Errors
/// 400 for what `TableOptions` doesn't know.
pub fn include(query: &Query) -> Result<Include, Status> {
    let asked = query.get("includeObject").unwrap_or_default();
    Include::parse(asked)
        .ok_or_else(|| Status::bad_request(format!("unrecognized includeObject value: {asked:?}")))
}

/// The media type of an answer in this format and shape.
pub fn media_type(accept: Accept) -> String {
    accept.format.media_type().to_owned()
}

/// Encodes an object from its served bytes.
pub fn encode(accept: Accept, resource: &Resource, object: Bytes, include: Include) -> Result<Bytes, Status> {
    if accept.format == Format::Json && accept.shape == Shape::Object && !accept.pretty {
        return Ok(object);
    }
    let value: Value = serde_json::from_slice(&object).map_err(|error| failed(&error))?;
    let value = shaped(accept.shape, resource, value, include)?;
    write(accept, &value)
}

fn shaped(shape: Shape, resource: &Resource, value: Value, include: Include) -> Result<Value, Status> {
    match shape {
        Shape::Object => Ok(value),
        Shape::Table(version) => {
            let asked = Asked { version, include, now: Timestamp::now() };
            let metadata = table::metadata_of(&value);
            Ok(table::table(resource, [value], metadata, &asked))
        }
        Shape::Partial(version) => Ok(table::partial(value, version)),
        Shape::PartialList(_) => Err(Status::not_acceptable(&SUPPORTED)),
    }
}

/// Writes a value in a format.
pub fn write(accept: Accept, value: &Value) -> Result<Bytes, Status> {
    match accept.format {
        Format::Json if accept.pretty => {
            serde_json::to_vec_pretty(value).map(Bytes::from).map_err(|error| failed(&error))
        }
        Format::Json => serde_json::to_vec(value).map(Bytes::from).map_err(|error| failed(&error)),
        Format::Yaml => serde_saphyr::to_string(value).map(Bytes::from).map_err(|error| failed(&error)),
        Format::Protobuf => match protobuf::encode(value) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) => {
                tracing::debug!(%error, "an object that protobuf can't carry");
                Err(Status::not_acceptable(&[JSON, YAML]))
            }
        },
    }
}
