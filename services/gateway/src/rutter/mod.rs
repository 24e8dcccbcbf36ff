//! What only a log gives: the API group `rutter.dev/v1`, read by the command line and by anyone else.
//!
//! | request (all below `/apis/rutter.dev/v1`) | answer |
//! | --- | --- |
//! | `GET /history?group=&resource=&namespace=&name=&after=&limit=&objects=true` | `HistoryAnswer::Facts` of that object, oldest first; with the objects where `objects=true` |
//! | `GET /why?revision=N`, or `?group=&resource=&namespace=&name=` for the object's last event | `HistoryAnswer::Facts`: the event, then what caused it, nearest first |
//! | `GET /log?from=N&follow=true` | one `Fact` a line as JSON (`application/x-ndjson`), every event after `from`, in order |
//! | `GET /revision?at=<RFC 3339>` | `{"revision": N}`: the last revision at or before that time |
//! | `POST /transactions` | a list of writes, all or none |
//! | `GET /top/nodes`, `GET /top/pods?namespace=` | the autoscaler's last samples |
//! | `POST /tokens` `{"node": "name"?}` | a one-time token for `rutter join` |
//!
//! The shapes are those of `rutter_schemas::protocol::ledger`.
