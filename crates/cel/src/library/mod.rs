//! What functions do. Each is told its arguments, the object of a method first; wrong types can come only through `dyn`,
//! and end as `no such overload`.

pub(crate) mod cidr;
mod collections;
mod convert;
mod formats;
mod operators;
mod quantity;
pub(crate) mod semver;
pub(crate) mod signatures;
mod strings;
pub(crate) mod time;
pub(crate) mod url;

use crate::value::Value;

pub(crate) use collections::sorted;
pub(crate) use operators::compare;

/// What a call comes to, or what went wrong.
pub(crate) type Answer = Result<Value, String>;

/// What a file here answers to a function by its arguments; nothing if it isn't its own.
type Room = fn(&str, &[Value]) -> Option<Answer>;

/// None of these has such a function for such arguments.
pub(crate) const NO_OVERLOAD: &str = "no such overload";

pub(crate) fn call(function: &str, args: &[Value]) -> Answer {
    let rooms: [Room; 10] = [
        operators::call,
        convert::call,
        strings::call,
        collections::call,
        time::call,
        url::call,
        cidr::call,
        quantity::call,
        semver::call,
        formats::call,
    ];
    rooms.iter().find_map(|room| room(function, args)).unwrap_or_else(|| Err(NO_OVERLOAD.to_owned()))
}
