//! Ending with the process that started this one, however that one ended.
//!
//! Standard input is a pipe whose other end only the parent holds. The kernel closes it when the parent is gone, also
//! when nobody had time to say so; a thread that waits for nothing else then ends this process at once, as if it had
//! been killed: everything here is made to survive that, and a new cluster may be waiting for the port already.

use std::io::{ErrorKind, Read};
use std::thread;

use nix::sys::signal::{Signal, raise};

/// Holds on to the parent from now on.
pub(crate) fn hold() {
    thread::spawn(|| {
        let mut parent = std::io::stdin().lock();
        let mut said = [0; 64];
        loop {
            match parent.read(&mut said) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // Talk goes to the parent's stderr, which may be gone as well.
        let _ = raise(Signal::SIGKILL);
        std::process::abort();
    });
}
