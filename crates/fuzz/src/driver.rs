//! A hostile device against the driver's end of a queue.

use crate::bus::{Bus, MOST_DESC, Place, QUEUE};
use crate::edge::{mostly_below, number};
use crate::reference::ReferenceDriver;
use crate::shadow::Fields;
use arbitrary::{Arbitrary, Result, Unstructured};
use blockpt_core::driver_queue::DriverQueue;
use blockpt_core::records::{CompletionRecord, RequestRecord};

/// A run.
#[derive(Debug)]
pub struct Input {
    num_desc: u32,
    position: u32,
    steps: Vec<Step>,
}

/// What happens: a call of the driver, or a device's doing.
#[derive(Debug)]
enum Step {
    Put(Vec<Fields>),
    Publish,
    Reap {
        most: usize,
    },
    /// Takes what is on the driver ring and completes it, as an honest device does, those first whose bit is set.
    Complete {
        picks: u16,
        status: u8,
    },
    /// Puts an index on the device ring, and publishes it.
    Push(u16),
    /// The same, of a descriptor that it has made look as if it were in use.
    Forge(u16),
    /// Publishes an `idx`.
    Idx(u16),
    /// Writes anywhere in the queue.
    Scribble {
        at: usize,
        width: usize,
        value: u64,
    },
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match input.int_in_range(0..=20)? {
            0..=4 => {
                let count = input.int_in_range(1..=MOST_DESC)?;
                Self::Put((0..count).map(|_| Fields::arbitrary(input)).collect::<Result<_>>()?)
            }
            5..=7 => Self::Publish,
            8..=11 => Self::Reap { most: input.int_in_range(0..=MOST_DESC)? as usize },
            12..=16 => {
                Self::Complete { picks: u16::arbitrary(input)?, status: u8::arbitrary(input)? }
            }
            17 => Self::Push(mostly_below(input, u64::from(MOST_DESC), 1)? as u16),
            18 => Self::Forge(input.int_in_range(0..=MOST_DESC - 1)? as u16),
            19 => Self::Idx(mostly_below(input, u64::from(MOST_DESC), 1)? as u16),
            _ => Self::Scribble {
                at: input.int_in_range(0..=QUEUE + 1023)?,
                width: *input.choose(&[1, 2, 4, 8])?,
                value: number(input)?,
            },
        })
    }
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let num_desc = input.int_in_range(16..=MOST_DESC)?;
        let position = input.int_in_range(0..=num_desc - 1)?;
        Ok(Self { num_desc, position, steps: Vec::arbitrary(input)? })
    }
}

/// The queue, what it must do, and the device's place on its rings.
struct Run<'a> {
    bus: Bus,
    place: Place,
    queue: DriverQueue<'a>,
    reference: ReferenceDriver,
    taken: u32,
    completed: u32,
    mark: u32,
    /// Marks that are out; each comes back at most once.
    out: Vec<u32>,
}

impl Input {
    /// Does all steps; panics where core and reference differ.
    pub fn run(&self) {
        let &Self { num_desc, position, .. } = self;
        let place = Place::new(num_desc);
        let mut bus = Bus::new(&place);
        // Where a driver before this one left them.
        bus.write(place.device_ring, &(position as u16).to_le_bytes());
        let memory = bus.memory();
        let (mut free, mut tags) = (vec![0; num_desc as usize], vec![0; num_desc as usize]);
        let geometry = place.geometry(&memory);
        let queue = DriverQueue::new(memory, geometry, position, &mut free, &mut tags);
        let reference = ReferenceDriver::new(place, position, &mut bus.shadow);
        let mut run = Run {
            bus,
            place,
            queue,
            reference,
            taken: position,
            completed: position,
            mark: 0,
            out: Vec::new(),
        };
        for step in &self.steps {
            run.step(step);
            run.bus.assert_same();
        }
    }
}

impl Run<'_> {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Put(all) => self.put(all),
            Step::Publish => {
                self.queue.publish();
                self.reference.publish(&mut self.bus.shadow);
            }
            &Step::Reap { most } => self.reap(most),
            &Step::Complete { picks, status } => self.complete(picks, status),
            &Step::Push(index) => self.push(index),
            &Step::Forge(index) => {
                if u32::from(index) < self.place.num_desc {
                    self.bus.write(QUEUE + usize::from(index) * 24 + 22, &[2]);
                }
                self.push(index);
            }
            &Step::Idx(idx) => self.bus.write(self.place.device_ring, &idx.to_le_bytes()),
            &Step::Scribble { at, width, value } => {
                let at = QUEUE + at % (self.place.end - QUEUE - 8);
                self.bus.write(at, &value.to_le_bytes()[..width]);
            }
        }
    }

    fn put(&mut self, all: &[Fields]) {
        let mut records = Vec::new();
        let mut wanted = 0;
        for fields in all {
            self.mark += 1;
            // A driver's addresses are of 32 bits.
            let fields = Fields { address: u64::from(fields.address as u32), ..*fields };
            records.push(RequestRecord {
                start_sector_low: fields.sector as u32,
                start_sector_high: (fields.sector >> 32) as u32,
                address: fields.address as u32,
                len_bytes: fields.len,
                opf: u32::from(fields.opf),
                tag: self.mark,
                flags: u32::from(fields.flags),
                status: 0,
            });
            if self.reference.put(&mut self.bus.shadow, &fields, self.mark) {
                wanted += 1;
                self.out.push(self.mark);
            }
        }
        assert_eq!(self.queue.put(&records), wanted);
    }

    fn reap(&mut self, most: usize) {
        let mut list = [CompletionRecord { tag: 0, status: 0 }; MOST_DESC as usize];
        let got = self.queue.reap(&mut list[..most]);
        let wanted = self.reference.reap(&mut self.bus.shadow, most);
        assert_eq!(got, wanted.as_ref().map(Vec::len).map_err(|fault| *fault));
        for (record, (mark, status)) in list.iter().zip(wanted.unwrap_or_default()) {
            assert_eq!((record.tag, record.status), (mark, u32::from(status)));
            let before = self.out.len();
            self.out.retain(|it| *it != mark);
            assert_eq!(self.out.len() + 1, before, "answered once");
        }
    }

    fn complete(&mut self, picks: u16, status: u8) {
        let head = self.bus.shadow.get(self.place.driver_ring, 2) as u32;
        let mut all = Vec::new();
        while self.taken != head && head < self.place.num_desc {
            let entry = self.place.driver_ring + 2 + 2 * self.taken as usize;
            all.push(self.bus.shadow.get(entry, 2) as u16);
            self.taken = (self.taken + 1) % self.place.num_desc;
        }
        let picked = |position: usize| picks >> (position % 16) & 1 != 0;
        let (first, last): (Vec<_>, Vec<_>) =
            all.iter().enumerate().partition(|(position, _)| picked(*position));
        for (_, &index) in first.into_iter().chain(last) {
            if u32::from(index) < self.place.num_desc {
                self.bus.write(QUEUE + usize::from(index) * 24 + 21, &[status]);
            }
            self.push(index);
        }
    }

    fn push(&mut self, index: u16) {
        let entry = self.place.device_ring + 2 + 2 * self.completed as usize;
        self.bus.write(entry, &index.to_le_bytes());
        self.completed = (self.completed + 1) % self.place.num_desc;
        self.bus.write(self.place.device_ring, &(self.completed as u16).to_le_bytes());
    }
}
