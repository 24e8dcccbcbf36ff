//! `/logs/`: the machine's `/var/log`, as Go's file server shows a directory. Nothing outside of it is shown, wherever
//! its links lead.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use futures::stream;
use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::{Body, of, streamed, text};

const ROOT: &str = "/var/log";

/// What needs no escape in a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Read at a time.
const BLOCK: usize = 32 * 1024;

/// `path` is what follows `/logs`.
pub(super) async fn page(path: &str) -> Response<Body> {
    let missing = || text(StatusCode::NOT_FOUND, "404 page not found");
    let Some(found) = inside(Path::new(ROOT), path) else { return missing() };
    if !found.is_dir() {
        return file(&found).await.unwrap_or_else(|_| missing());
    }
    if path.ends_with('/') {
        return listing(&found)
            .map_or_else(|_| missing(), |html| of(StatusCode::OK, "text/html; charset=utf-8", html));
    }
    // Links of a directory count from it.
    let last = path.rsplit('/').next().filter(|last| !last.is_empty()).unwrap_or("logs");
    let mut moved = text(StatusCode::MOVED_PERMANENTLY, "");
    if let Ok(to) = HeaderValue::from_str(&format!("{last}/")) {
        moved.headers_mut().insert(LOCATION, to);
    }
    moved
}

/// Where a path below `root` leads; none if that isn't there or isn't below.
fn inside(root: &Path, path: &str) -> Option<PathBuf> {
    let plain = percent_decode_str(path).decode_utf8().ok()?;
    let root = root.canonicalize().ok()?;
    let found = root.join(plain.trim_start_matches('/')).canonicalize().ok()?;
    found.starts_with(&root).then_some(found)
}

fn listing(dir: &Path) -> std::io::Result<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let slash = if entry.path().is_dir() { "/" } else { "" };
        names.push(format!("{}{slash}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    let mut html =
        String::from("<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n");
    for name in names {
        let escaped: Vec<String> =
            name.split('/').map(|part| utf8_percent_encode(part, PLAIN).to_string()).collect();
        let shown =
            name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;");
        let _ = writeln!(html, "<a href=\"{}\">{shown}</a>", escaped.join("/"));
    }
    html.push_str("</pre>\n");
    Ok(html)
}

/// As long as it is now: a log may grow while it is read.
async fn file(path: &Path) -> std::io::Result<Response<Body>> {
    let file = File::open(path).await?;
    let facts = file.metadata().await?;
    if !facts.is_file() {
        return Err(std::io::ErrorKind::NotFound.into());
    }
    let pieces = stream::try_unfold(file.take(facts.len()), |mut file| async move {
        let mut block = vec![0; BLOCK];
        let count = file.read(&mut block).await?;
        block.truncate(count);
        Ok((count > 0).then(|| (Bytes::from(block), file)))
    });
    let mut response = streamed("text/plain; charset=utf-8", pieces);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(facts.len()));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_is_shown() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().join("log");
        std::fs::create_dir_all(root.join("a b")).expect("it can be made");
        std::fs::write(root.join("a b/c"), "words").expect("it can be written");
        std::fs::write(dir.path().join("secret"), "words").expect("it can be written");
        std::os::unix::fs::symlink(dir.path().join("secret"), root.join("out")).expect("it can be linked");
        assert!(inside(&root, "/a%20b/c").is_some());
        assert!(inside(&root, "/").is_some());
        for outside in ["/../secret", "/%2e%2e/secret", "/out", "/absent"] {
            assert_eq!(inside(&root, outside), None, "{outside}");
        }
        assert!(listing(&root).expect("it can be read").contains("<a href=\"a%20b/\">a b/</a>\n"));
    }
}
