//! The small scenarios, written down: every order in which the calls of the two sides can come, with what each
//! gives and the bytes that it leaves. `test/engine/vectors.test.ts` replays them on both engines. Fails if
//! `test/vectors/rings.json` is not what the core gives; with `BLOCKPT_WRITE_VECTORS=1` writes it.

use blockpt_model::abi::{blk_status, descriptor_flag, limits, operation};
use blockpt_model::dma::Transfer;
use blockpt_model::memory::Range;
use blockpt_model::records::{CompletionRecord, RequestRecord};
use blockpt_model::rig::{self, BUS_BYTES, DISC, Device, Driver, EMPTY, HOST, NUM_DESC, request};
use blockpt_model::ring::Fault;
use blockpt_model::watched::Watched;
use serde_json::{Value, json};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/vectors/rings.json");

/// A call of one side, or what a hostile one writes.
#[derive(Clone)]
enum Step {
    Submit(Vec<RequestRecord>),
    Reap,
    Serve {
        most: u32,
    },
    Answer {
        most: u32,
    },
    Fetch,
    /// Everything that is in service, the newest first.
    Complete {
        status: u8,
    },
    Resize {
        sectors: u64,
    },
    /// So many flushes, each submitted, served and reaped.
    Turn {
        count: u32,
    },
    Write {
        offset: usize,
        bytes: Vec<u8>,
    },
}

fn faulty<T>(result: Result<T, Fault>, good: impl FnOnce(T) -> Value) -> Value {
    match result {
        Ok(value) => good(value),
        Err(fault) => json!(-(fault as i32)),
    }
}

fn record(it: &RequestRecord) -> Value {
    let sector = u64::from(it.start_sector_high) << 32 | u64::from(it.start_sector_low);
    json!([sector, it.address, it.len_bytes, it.opf, it.flags, it.tag])
}

struct Replay {
    memory: Watched,
    driver: Driver,
    device: Device,
    in_service: Vec<u32>,
}

impl Replay {
    fn new() -> Self {
        let memory = Watched::new(BUS_BYTES, &[Range { offset: 0, len: BUS_BYTES }]);
        for sector in 0..HOST.len / 512 {
            memory.poke(HOST.offset + sector * 512, &[0x10 + sector as u8; 512]);
            memory.poke(DISC.offset + sector * 512, &[0x20 + sector as u8; 512]);
        }
        let driver = Driver::open(memory.memory());
        let device = Device::open(memory.memory(), rig::limits());
        Self { memory, driver, device, in_service: Vec::new() }
    }

    /// Does a step, and says what it was, what it gave and what it changed.
    fn step(&mut self, step: &Step) -> Value {
        let before = self.memory.bytes();
        let mut said = match step {
            Step::Submit(requests) => {
                let put = self.driver.queue.put(requests);
                self.driver.queue.publish();
                let requests: Vec<_> = requests.iter().map(record).collect();
                json!({ "do": "submit", "requests": requests, "gives": put })
            }
            Step::Reap => {
                let mut list = [CompletionRecord { tag: 0, status: 0 }; 16];
                let gives = faulty(self.driver.queue.reap(&mut list), |count| {
                    list[..count].iter().map(|it| json!([it.tag, it.status])).collect()
                });
                json!({ "do": "reap", "gives": gives })
            }
            &Step::Serve { most } => {
                let served = self.device.queue.serve(DISC, Transfer::Dma, 1, most);
                json!({ "do": "serve", "most": most, "gives": faulty(served, |count| json!(count)) })
            }
            &Step::Answer { most } => {
                let answered = self.device.queue.answer(1, most);
                json!({ "do": "answer", "most": most, "gives": faulty(answered, |count| json!(count)) })
            }
            Step::Fetch => {
                let mut list = [EMPTY; 16];
                let fetched = self.device.queue.fetch(&mut list, 1);
                let list = &list[..fetched.unwrap_or(0)];
                self.in_service.extend(list.iter().map(|it| it.tag));
                let gives = faulty(fetched, |_| list.iter().map(record).collect());
                json!({ "do": "fetch", "gives": gives })
            }
            &Step::Complete { status } => {
                let done = |tag| CompletionRecord { tag, status: u32::from(status) };
                let list: Vec<_> = self.in_service.drain(..).rev().map(done).collect();
                self.device.queue.complete(&list);
                let completed = self.device.queue.completed();
                json!({ "do": "complete", "status": status, "gives": completed })
            }
            &Step::Resize { sectors } => {
                self.device.queue.resize(sectors);
                json!({ "do": "resize", "sectors": sectors, "gives": null })
            }
            &Step::Turn { count } => {
                for tag in 0..count {
                    self.step(&Step::Submit(vec![flush(tag)]));
                    self.step(&Step::Serve { most: 9 });
                    self.step(&Step::Reap);
                }
                json!({ "do": "turn", "count": count, "gives": null })
            }
            Step::Write { offset, bytes } => {
                self.memory.poke(*offset, bytes);
                json!({ "do": "write", "offset": offset, "bytes": hex(bytes), "gives": null })
            }
        };
        let now = self.memory.bytes();
        said["queue"] = changes(&before[..HOST.offset], &now[..HOST.offset]);
        for (name, range) in [("host", HOST), ("disc", DISC)] {
            let sectors = now[range.offset..range.offset + range.len].chunks(512);
            // Whole sectors of one byte each are all that ever moves.
            let firsts: Vec<u8> =
                sectors.inspect(|it| assert!(is_uniform(it))).map(|it| it[0]).collect();
            said[name] = json!(hex(&firsts));
        }
        said
    }
}

fn is_uniform(sector: &[u8]) -> bool {
    sector.iter().all(|byte| *byte == sector[0])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The stretches that differ: where, and what is there now.
fn changes(before: &[u8], now: &[u8]) -> Value {
    let mut found = Vec::new();
    let mut at = 0;
    while at < now.len() {
        if before[at] == now[at] {
            at += 1;
            continue;
        }
        let len = (at..now.len()).take_while(|&it| before[it] != now[it]).count();
        found.push(json!([at, hex(&now[at..at + len])]));
        at += len;
    }
    json!(found)
}

fn flush(tag: u32) -> RequestRecord {
    RequestRecord { len_bytes: 0, address: 0, ..request(operation::FLUSH, 0, tag) }
}

/// Every order of the two sides' steps that keeps each side's own.
fn interleavings(one: &[Step], other: &[Step]) -> Vec<Vec<Step>> {
    let rest_of = |first: &Step, rest: Vec<Vec<Step>>| {
        rest.into_iter().map(|it| [vec![first.clone()], it].concat()).collect::<Vec<_>>()
    };
    match (one, other) {
        ([], only) | (only, []) => vec![only.to_vec()],
        ([first, one_rest @ ..], [second, other_rest @ ..]) => [
            rest_of(first, interleavings(one_rest, other)),
            rest_of(second, interleavings(one, other_rest)),
        ]
        .concat(),
    }
}

/// What comes before, and the steps of the two sides.
struct Scenario {
    name: &'static str,
    before: Vec<Step>,
    driver: Vec<Step>,
    device: Vec<Step>,
}

/// The scenarios that `rings.rs` explores.
fn scenarios() -> Vec<Scenario> {
    let submit = |sectors: &[u32]| {
        let of = |&sector: &u32| {
            let opf = if sector < 2 { operation::WRITE } else { operation::READ };
            request(opf, sector, 100 + sector)
        };
        Step::Submit(sectors.iter().map(of).collect())
    };
    let serve = || Step::Serve { most: 9 };
    let (fetch, complete) = (|| Step::Fetch, || Step::Complete { status: blk_status::OK });
    vec![
        Scenario {
            name: "two requests",
            before: vec![],
            driver: vec![submit(&[0]), Step::Reap, submit(&[2]), Step::Reap],
            device: vec![serve(), serve(), serve(), Step::Reap],
        },
        Scenario {
            name: "a batch of two and one more, handed out",
            before: vec![],
            driver: vec![submit(&[0, 2]), submit(&[3]), Step::Reap],
            device: vec![fetch(), complete(), fetch(), complete(), serve(), Step::Reap],
        },
        Scenario {
            name: "across the end of the rings",
            before: vec![Step::Turn { count: 14 }],
            driver: vec![submit(&[1]), submit(&[2]), submit(&[3]), Step::Reap],
            device: vec![serve(), Step::Answer { most: 1 }, serve(), Step::Reap],
        },
    ]
}

fn write_idx(ring: u32, value: u16) -> Step {
    Step::Write { offset: ring as usize, bytes: value.to_le_bytes().to_vec() }
}

fn write_entry(ring: u32, entry: usize, value: u16) -> Step {
    let offset = ring as usize + 2 + 2 * entry;
    Step::Write { offset, bytes: value.to_le_bytes().to_vec() }
}

/// One side breaks the protocol: what the other does then, and that it does so for good.
fn breaches() -> Vec<(String, Vec<Step>)> {
    let (driver_ring, device_ring) = (rig::layout().driver_offset, rig::layout().device_offset);
    let put = |count: u32| {
        Step::Submit((0..count).map(|tag| request(operation::READ, tag % 4, tag)).collect())
    };
    let mut all = Vec::new();
    for idx in [NUM_DESC as u16, 0x8000, 0xffff] {
        let steps = vec![put(1), write_idx(driver_ring, idx), Step::Fetch, Step::Serve { most: 9 }];
        all.push((format!("the driver ring's idx is {idx}"), steps));
        let steps = vec![
            put(1),
            Step::Serve { most: 9 },
            write_idx(device_ring, idx),
            Step::Reap,
            Step::Reap,
        ];
        all.push((format!("the device ring's idx is {idx}"), steps));
    }
    for entry in [NUM_DESC as u16, 0xffff] {
        let steps = vec![put(2), write_entry(driver_ring, 1, entry), Step::Fetch, Step::Fetch];
        all.push((format!("the driver ring's second entry is {entry}"), steps));
        let steps = vec![
            put(2),
            Step::Serve { most: 9 },
            write_entry(device_ring, 1, entry),
            Step::Reap,
            Step::Reap,
        ];
        all.push((format!("the device ring's second entry is {entry}"), steps));
    }
    all.push((
        "a descriptor in service comes again".into(),
        vec![put(2), write_entry(driver_ring, 1, 0), Step::Fetch, Step::Fetch],
    ));
    all.push((
        "a descriptor is completed twice".into(),
        vec![
            put(2),
            Step::Serve { most: 9 },
            write_entry(device_ring, 1, 0),
            Step::Reap,
            Step::Reap,
        ],
    ));
    all.push((
        "a descriptor nobody put is completed".into(),
        vec![put(2), Step::Serve { most: 9 }, write_entry(device_ring, 0, 9), Step::Reap],
    ));
    all.push((
        "more is completed than was put".into(),
        vec![put(1), Step::Serve { most: 9 }, write_idx(device_ring, 2), Step::Reap],
    ));
    all.push((
        "a descriptor is cleared before it is reaped".into(),
        vec![
            put(2),
            Step::Serve { most: 9 },
            Step::Write { offset: 24, bytes: vec![0; 24] },
            Step::Reap,
            Step::Reap,
        ],
    ));
    let odd = |change: &dyn Fn(&mut RequestRecord)| {
        let mut it = request(operation::READ, 1, 7);
        change(&mut it);
        it
    };
    let malformed = vec![
        odd(&|it| it.len_bytes = 0),
        odd(&|it| it.len_bytes = 513),
        odd(&|it| it.len_bytes = 1536),
        odd(&|it| it.len_bytes = u32::MAX - 511),
        odd(&|it| it.start_sector_low = 4),
        odd(&|it| it.start_sector_high = 0x1f_ffff),
        odd(&|it| it.opf = 77),
        odd(&|it| {
            it.opf = u32::from(operation::WRITE);
            it.flags = u32::from(descriptor_flag::FUA);
        }),
        odd(&|it| it.address -= 512 + 512),
        odd(&|it| it.address = (HOST.offset + HOST.len - 511) as u32),
        odd(&|it| it.address = u32::MAX - 511),
        flush(8),
        RequestRecord { len_bytes: 512, ..flush(9) },
    ];
    for steps in [
        vec![Step::Fetch, Step::Complete { status: blk_status::IOERR }],
        vec![Step::Serve { most: 99 }],
    ] {
        let steps = [vec![Step::Submit(malformed.clone())], steps, vec![Step::Reap]].concat();
        all.push((format!("malformed descriptors, {} steps", steps.len()), steps));
    }
    all.push((
        "a disc that has become smaller".into(),
        vec![put(4), Step::Resize { sectors: 2 }, Step::Serve { most: 9 }, Step::Reap],
    ));
    all
}

fn vectors() -> String {
    let mut traces = Vec::new();
    for Scenario { name, before, driver, device } in scenarios() {
        for (index, order) in interleavings(&driver, &device).into_iter().enumerate() {
            traces.push((format!("{name}, order {index}"), [before.clone(), order].concat()));
        }
    }
    traces.extend(breaches());
    let head = json!({
        "numDescriptors": NUM_DESC,
        "driverOffset": rig::layout().driver_offset,
        "deviceOffset": rig::layout().device_offset,
        "sectorBytes": limits::SECTOR_BYTES,
        "sectors": DISC.len as u64 / limits::SECTOR_BYTES,
        "hostAddress": HOST.offset,
        "maxLenBytes": rig::limits().max_len,
        "features": rig::limits().features,
    });
    let mut text = format!("{{\n\"setup\": {head},\n\"traces\": [");
    for (number, (name, steps)) in traces.iter().enumerate() {
        let mut replay = Replay::new();
        let steps: Vec<_> = steps.iter().map(|step| replay.step(step).to_string()).collect();
        let comma = if number == 0 { "" } else { "," };
        text += &format!(
            "{comma}\n{{ \"name\": {}, \"steps\": [\n{}\n] }}",
            json!(name),
            steps.join(",\n")
        );
    }
    text + "\n] }\n"
}

#[test]
fn the_vectors_are_what_the_core_gives() {
    let vectors = vectors();
    if std::env::var_os("BLOCKPT_WRITE_VECTORS").is_some() {
        std::fs::write(PATH, &vectors).expect("a file that can be written");
    }
    let committed = std::fs::read_to_string(PATH).unwrap_or_default();
    // Not assert_eq: it would print both.
    let same = committed == vectors;
    assert!(
        same,
        "test/vectors/rings.json is not what crates/core gives: BLOCKPT_WRITE_VECTORS=1 writes it"
    );
}
