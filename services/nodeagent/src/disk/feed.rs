//! The last feed, kept so that an agent goes on without the control plane. Secrets are kept apart, in memory only.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rutter_nodeagent_core::objects::Objects;
use rutter_schemas::{Key, Revision};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Paths;

/// Where both readers stood, and what they had.
#[derive(Debug, Default)]
pub(crate) struct KeptFeed {
    pub(crate) own: Option<Revision>,
    pub(crate) shared: Option<Revision>,
    pub(crate) objects: Objects,
}

#[derive(Serialize, Deserialize)]
struct File {
    own: Option<Revision>,
    shared: Option<Revision>,
    objects: Vec<(Key, Arc<RawValue>)>,
}

/// Writes the feed; a reader sees the old one or the new one.
pub(crate) fn save_feed(paths: &Paths, feed: &KeptFeed) -> io::Result<()> {
    let (secrets, open): (Vec<_>, Vec<_>) = feed
        .objects
        .iter()
        .map(|(key, object)| (key.clone(), object.clone()))
        .partition(|(key, _)| is_secret(key));
    write(&paths.secrets(), &File { own: feed.own, shared: feed.shared, objects: secrets })?;
    write(&paths.feed(), &File { own: feed.own, shared: feed.shared, objects: open })
}

/// The feed as it was kept. After a reboot the Secrets are missing: then nothing of the node's own feed counts as
/// seen, but its objects are there to go on with.
pub(crate) fn load_feed(paths: &Paths) -> KeptFeed {
    let Some(open) = read(&paths.feed()) else { return KeptFeed::default() };
    let mut feed = KeptFeed { own: None, shared: open.shared, objects: Objects::default() };
    let secrets = read(&paths.secrets()).filter(|secrets| secrets.own == open.own);
    if let Some(secrets) = secrets {
        feed.own = open.own;
        put_all(&mut feed.objects, secrets.objects);
    }
    put_all(&mut feed.objects, open.objects);
    feed
}

fn is_secret(key: &Key) -> bool {
    key.group.is_empty() && key.resource == "secrets"
}

fn put_all(objects: &mut Objects, list: Vec<(Key, Arc<RawValue>)>) {
    let by_key: BTreeMap<Key, Arc<RawValue>> = list.into_iter().collect();
    for (key, object) in by_key {
        objects.put(key, object);
    }
}

fn write(path: &Path, file: &File) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let draft = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    let out = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    let mut out = io::BufWriter::new(out);
    serde_json::to_writer(&mut out, file)?;
    io::Write::flush(&mut out)?;
    std::fs::rename(draft, path)
}

fn read(path: &Path) -> Option<File> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    #[test]
    fn secrets_never_touch_the_disk_and_their_loss_asks_for_a_new_feed() {
        let dir = tempfile::tempdir().expect("a directory");
        let (data, run) = (dir.path().join("data"), dir.path().join("run"));
        std::fs::create_dir_all(&data).expect("a directory");
        let paths = Paths::of(&Config { data_dir: data, run_dir: run, ..Config::default() });
        std::fs::create_dir_all(paths.memory()).expect("a directory");
        let mut feed = KeptFeed { own: Some(Revision(7)), shared: Some(Revision(5)), ..KeptFeed::default() };
        let raw = |text: &str| Arc::from(RawValue::from_string(text.into()).expect("JSON"));
        feed.objects.put(Key::new("", "secrets", "default", "s"), raw(r#"{"data":{"k":"Y2FuYXJ5"}}"#));
        feed.objects.put(Key::new("", "pods", "default", "p"), raw("{}"));
        save_feed(&paths, &feed).expect("it can be written");
        let on_disk = std::fs::read_to_string(paths.feed()).expect("it is there");
        assert!(!on_disk.contains("Y2FuYXJ5"));
        let kept = load_feed(&paths);
        assert_eq!((kept.own, kept.objects.iter().count()), (Some(Revision(7)), 2));
        std::fs::remove_file(paths.secrets()).expect("it was there");
        let kept = load_feed(&paths);
        assert_eq!((kept.own, kept.shared, kept.objects.iter().count()), (None, Some(Revision(5)), 1));
    }
}
