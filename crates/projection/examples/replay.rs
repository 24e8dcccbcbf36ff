//! Measures a projection: applying events frame by frame and by bulk load, then get and list.
//!
//! `cargo run --release -p rutter-projection --example replay -- [events] [objects] [bytes]`

use std::time::{Duration, Instant};

use rutter_projection::{IndexKey, ListQuery, Options, Projection};
use rutter_schemas::{Frame, Hash, Revision};

#[path = "../tests/support/mod.rs"]
mod support;
use support::{Act, Log, pod, put};

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS_PER_FRAME: usize = 64;

fn main() {
    let mut numbers =
        std::env::args().skip(1).map(|arg| arg.parse::<usize>().expect("arguments are numbers"));
    let (events, objects) = (numbers.next().unwrap_or(200_000), numbers.next().unwrap_or(20_000));
    let bytes = numbers.next().unwrap_or(1_200);
    println!("{events} events of {objects} objects of {bytes} bytes, {EVENTS_PER_FRAME} a frame");

    for history in [false, true] {
        let options = Options { history, ..Options::default() };
        println!("history {history}");
        for bulk in [true, false] {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let mut projection = Projection::open(dir.path(), options).expect("an empty directory opens");
            let mut frames = Frames::new(events, objects, bytes);
            let started = Instant::now();
            if bulk {
                let mut loader = projection.load().expect("a load starts");
                frames.each(|frame| {
                    loader.apply(frame.header.number, frame, Hash::NONE).expect("frames follow")
                });
                projection = loader.finish().expect("a load ends");
            } else {
                frames.each(|frame| {
                    drop(projection.apply(frame.header.number, frame, Hash::NONE).expect("frames follow"))
                });
            }
            let took = started.elapsed() - frames.making;
            let way = if bulk { "bulk load" } else { "frame by frame" };
            println!("  {way:15} {:>8.0} events/s  ({took:.1?})", events as f64 / took.as_secs_f64());
            read(&projection, objects);
        }
    }
}

/// Frames made as they are asked for, so that a million fit; making them isn't counted.
struct Frames {
    log: Log,
    events: usize,
    objects: usize,
    data: String,
    making: Duration,
}

impl Frames {
    fn new(events: usize, objects: usize, bytes: usize) -> Frames {
        let data = (0..bytes).map(|n| char::from(b'a' + (n * 7 % 26) as u8)).collect();
        Frames { log: Log::new(), events, objects, data, making: Duration::ZERO }
    }

    fn each(&mut self, mut apply: impl FnMut(&Frame)) {
        for start in (0..self.events).step_by(EVENTS_PER_FRAME) {
            let started = Instant::now();
            let acts: Vec<Act> = (start..start + EVENTS_PER_FRAME).map(|n| self.act(n)).collect();
            self.log.clock_s += 1;
            self.log.frame(&acts.chunks(1).collect::<Vec<_>>());
            let (frame, _) = self.log.frames.last().expect("just made").clone();
            self.log.frames.last_mut().expect("just made").0.commits.clear();
            self.making += started.elapsed();
            apply(&frame);
        }
    }

    fn act(&self, n: usize) -> Act {
        let (name, life) = (format!("web-{:06}", n % self.objects), n / self.objects);
        let phase = ["Pending", "Running"][life.min(1)];
        put(pod(&name)
            .label("app", "web")
            .owned_by("rs1")
            .on(&format!("n{}", n % 100))
            .phase(phase)
            .data(&self.data))
    }
}

fn read(projection: &Projection, objects: usize) {
    let snapshot = projection.snapshot().expect("a snapshot");
    let started = Instant::now();
    let gets = 20_000;
    for n in 0..gets {
        let key = pod(&format!("web-{:06}", n * 7 % objects)).key;
        projection.snapshot().expect("a snapshot").get_object(&key).expect("reads").expect("is there");
    }
    let get = started.elapsed() / gets as u32;

    let pods = ListQuery::of("", "pods").namespace("default");
    let started = Instant::now();
    let size: usize =
        snapshot.list_objects(&pods).take(5_000).map(|object| object.expect("reads").len()).sum();
    let list = started.elapsed();
    let started = Instant::now();
    let on_node = snapshot.list(&pods.clone().index(IndexKey::node("n7"))).count();
    let picked = started.elapsed();
    let rate = size as f64 / list.as_secs_f64() / 1e6;
    println!(
        "    get {get:.1?}, list 5,000: {list:.1?} ({rate:.0} MB/s), {on_node} on one node: {picked:.1?}"
    );
    if snapshot.has_history() {
        let middle = Revision(snapshot.revision().0 / 2);
        let started = Instant::now();
        let found = snapshot.list_at(&pods, middle).expect("it is past").take(5_000).count();
        println!("    list {found} as of {middle}: {:.1?}", started.elapsed());
    }
}
