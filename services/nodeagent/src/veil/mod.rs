//! Values of Secrets on their way into containers, around containerd's disk.
//!
//! containerd keeps what it is told of a container in a database below its root, for as long as the container lives and in
//! that file's free pages after. So it is told placeholders ([`rutter_nodeagent_core::veil`]). What they stand for lies in
//! memory, a file for each container, and pods that need it run under a handler of their own, whose runc is this program
//! under another name: it puts the values into what runc is given, and becomes runc.
//!
//! ```text
//! agent ── CRI: placeholders ──► containerd ──► shim ──► rutter-runc create|exec ──► runc
//!   └── memory/veiled/<id>: values ──────────────────────────┘
//! ```

mod program;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::Path;

pub use program::{is_called, run};

/// The name by which this program is called in place of runc.
pub const PROGRAM: &str = "rutter-runc";
/// containerd's handler for pods that need it.
pub(crate) const HANDLER: &str = "veiled";
/// Where the files of values lie, seen from where the program is called.
const VALUES: &str = "memory/veiled";

/// Values by their placeholders, as they lie in a file.
type Values = BTreeMap<String, String>;

/// Makes `program` callable at `link`.
pub(crate) fn install(program: &Path, link: &Path) -> io::Result<()> {
    if fs::read_link(link).is_ok_and(|target| target == program) {
        return Ok(());
    }
    let draft = link.with_extension("new");
    let _ = fs::remove_file(&draft);
    symlink(program, &draft)?;
    fs::rename(draft, link)
}

/// Puts down what the placeholders of a container stand for. It goes when the container does.
pub(crate) fn put(dir: &Path, id: &str, values: &Values) -> io::Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    let mut file =
        fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(dir.join(id))?;
    file.write_all(&serde_json::to_vec(values)?)
}

/// What was never put down is forgotten already.
pub(crate) fn forget(dir: &Path, id: &str) {
    let _ = fs::remove_file(dir.join(id));
}
