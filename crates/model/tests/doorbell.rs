//! Sleep and wake under loom: a wake-up that is lost would leave a thread waiting for ever, which loom reports
//! as a deadlock. The rings are the core's; doorbell and interrupt are those of `ts/bus`, written down in Rust.

use blockpt_model::abi::operation;
use blockpt_model::doorbell::{Doorbell, Sleep};
use blockpt_model::explore::{explore, explore_within};
use blockpt_model::msix::{Msix, Raise};
use blockpt_model::rig::{self, Device, Driver, request};
use blockpt_model::word::Order;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
// All threads of a model are one of the machine's.
use std::rc::Rc;

/// A driver that publishes and rings so many times, and a device that sleeps whenever it finds nothing, without
/// the time that it looks on before:
///
/// ```ts
/// // ts/endpoint/blocking-service.ts
/// if (this.round()) {
///   patience.found();
///   this.#sleeps = 0;
/// } else if (this.#sleeps > 0 || !patience.mayLookOn()) {
///   if (this.doorbell === undefined) this.#doze();
///   else this.doorbell.sleep(this.round, DEEP_SLEEP_MS);
/// }
/// ```
fn wakes_the_device(order: Order, sleep: Sleep, requests: u32) {
    let cells = Rc::new(rig::cells(order));
    let memory = cells.memory();
    let doorbell = Rc::new(Doorbell::new(order, sleep));
    let mut driver = Driver::open(memory);
    let mut device = Device::open(memory, rig::limits());
    let served = thread::spawn({
        let (cells, doorbell) = (cells.clone(), doorbell.clone());
        move || {
            let mut answered = 0;
            while answered < requests {
                let mut round = || {
                    let count = device.queue.answer(1, 9).expect("no fault");
                    answered += count;
                    count > 0
                };
                if !round() {
                    doorbell.sleep(round);
                }
            }
            drop(cells);
        }
    });
    for tag in 0..requests {
        driver.queue.put(&[request(operation::READ, 0, tag)]);
        driver.queue.publish();
        doorbell.ring();
    }
    served.join().expect("all served");
    assert_eq!(driver.reap().len(), requests as usize);
}

/// A device that completes so many batches and raises after each, and a driver that looks once and then waits for
/// its interrupt until it has everything.
fn wakes_the_driver(order: Order, raise: Raise, batches: u32) {
    let cells = Rc::new(rig::cells(order));
    let memory = cells.memory();
    let msix = Rc::new(Msix::new(order, raise));
    let mut driver = Driver::open(memory);
    let mut device = Device::open(memory, rig::limits());
    for tag in 0..batches {
        driver.queue.put(&[request(operation::READ, 0, tag)]);
    }
    driver.queue.publish();
    let served = thread::spawn({
        let (cells, msix) = (cells.clone(), msix.clone());
        move || {
            for _ in 0..batches {
                assert_eq!(device.queue.answer(1, 1), Ok(1));
                msix.raise();
            }
            drop(cells);
        }
    });
    let mut done = 0;
    while done < batches as usize {
        done += driver.reap().len();
        if done < batches as usize {
            done += msix.block(|| driver.reap().len());
        }
    }
    served.join().expect("all served");
    msix.checked_sends();
}

/// Both sleep for each other: a request, its answer, and the next one. A device that finds nothing sends what is
/// pending, too, before it sleeps:
///
/// ```ts
/// // ts/endpoint/queue-service.ts
/// if (progress > 0) return true;
/// this.bus.msix.sendPending(this.#vector);
/// return count > 0;
/// ```
fn both_sleep(order: Order, requests: u32) {
    let cells = Rc::new(rig::cells(order));
    let memory = cells.memory();
    let doorbell = Rc::new(Doorbell::new(order, Sleep::Right));
    let msix = Rc::new(Msix::new(order, Raise::Right));
    let mut driver = Driver::open(memory);
    let mut device = Device::open(memory, rig::limits());
    let served = thread::spawn({
        let (cells, doorbell, msix) = (cells.clone(), doorbell.clone(), msix.clone());
        move || {
            let mut answered = 0;
            while answered < requests {
                doorbell.sleep(|| {
                    let count = device.queue.answer(1, 9).expect("no fault");
                    answered += count;
                    if count > 0 {
                        msix.raise();
                    } else {
                        msix.send_pending();
                    }
                    count > 0
                });
            }
            drop(cells);
        }
    });
    for tag in 0..requests {
        driver.queue.put(&[request(operation::READ, 0, tag)]);
        driver.queue.publish();
        doorbell.ring();
        while msix.block(|| driver.reap().len()) == 0 {}
    }
    served.join().expect("all served");
    msix.checked_sends();
}

/// A device that is told to end, and woken, whether it sleeps or not. It reads what it is told by a plain load, which
/// is in no order with the other words but by the bell, so release and acquire must do:
///
/// ```ts
/// // ts/endpoint/queue-service.ts
/// const stopping = this.control[QueueControl.state] === QueueState.stop;
/// ```
fn hears_of_a_stop(wakes: bool) {
    let doorbell = Rc::new(Doorbell::new(Order::CODE, Sleep::Right));
    let state = Rc::new(AtomicU32::new(0));
    let served = thread::spawn({
        let (doorbell, state) = (doorbell.clone(), state.clone());
        move || {
            let is_told = || state.load(Ordering::Relaxed) != 0;
            let mut has_ended = false;
            while !has_ended {
                doorbell.sleep(|| {
                    has_ended = is_told();
                    has_ended
                });
            }
        }
    });
    state.store(1, Ordering::Release);
    if wakes {
        doorbell.wake();
    } else {
        doorbell.ring();
    }
    served.join().expect("it has ended");
}

/// One that raises, and one that masks and unmasks at any time: it is sent once, or pending.
fn masks_and_unmasks(order: Order, raise: Raise) {
    let msix = Rc::new(Msix::new(order, raise));
    let raised = thread::spawn({
        let msix = msix.clone();
        move || msix.raise()
    });
    msix.unmask();
    msix.mask();
    msix.unmask();
    raised.join().expect("raised");
    assert_eq!(msix.checked_sends(), 1, "it is unmasked, so it was sent");
}

#[test]
fn no_ring_of_the_doorbell_is_lost() {
    let model = |requests| move || wakes_the_device(Order::SEQ_CST, Sleep::Right, requests);
    explore("doorbell, 1 request", model(1));
    explore_within("doorbell, 2 requests", 6, model(2));
    explore_within("doorbell, 3 requests", 5, model(3));
}

#[test]
fn a_device_hears_of_a_stop() {
    explore("stop", || hears_of_a_stop(true));
}

#[test]
fn no_interrupt_is_lost() {
    let model = |batches| move || wakes_the_driver(Order::SEQ_CST, Raise::Right, batches);
    explore("interrupt, 1 batch", model(1));
    explore_within("interrupt, 2 batches", 5, model(2));
    explore_within("interrupt, 3 batches", 4, model(3));
}

#[test]
fn masked_and_unmasked_at_any_time_an_interrupt_is_sent_once() {
    explore("mask and unmask", || masks_and_unmasks(Order::SEQ_CST, Raise::Right));
}

#[test]
fn two_sides_that_sleep_for_each_other_wake() {
    explore_within("both sleep, 1 request", 5, || both_sleep(Order::SEQ_CST, 1));
    explore_within("both sleep, 2 requests", 4, || both_sleep(Order::SEQ_CST, 2));
}

#[test]
#[ignore = "minutes: all interleavings where the others are bounded"]
fn no_ring_of_the_doorbell_is_lost_in_any_interleaving_of_two() {
    explore("doorbell, 2 requests", || wakes_the_device(Order::SEQ_CST, Sleep::Right, 2));
}

/// Controls: a test for each ordering, or step, that is taken away.
macro_rules! is_found_out {
    ($name:ident, $expected:literal, $model:expr) => {
        #[test]
        #[should_panic(expected = $expected)]
        fn $name() {
            explore("control", || $model);
        }
    };
}

const RELEASED: Order = Order { publish: Ordering::Release, ..Order::SEQ_CST };

is_found_out!(
    a_publication_that_only_releases_is_found_out,
    "deadlock",
    wakes_the_device(RELEASED, Sleep::Right, 1)
);
is_found_out!(
    a_doorbell_with_release_and_acquire_alone_is_found_out,
    "deadlock",
    wakes_the_device(Order::CODE, Sleep::Right, 1)
);
is_found_out!(
    one_who_looks_before_it_says_that_it_sleeps_is_found_out,
    "deadlock",
    wakes_the_device(Order::SEQ_CST, Sleep::LooksFirst, 1)
);
is_found_out!(
    one_who_hears_after_it_has_looked_is_found_out,
    "deadlock",
    wakes_the_device(Order::SEQ_CST, Sleep::HearsLast, 1)
);
is_found_out!(a_stop_that_only_rings_is_found_out, "deadlock", hears_of_a_stop(false));
is_found_out!(
    an_interrupt_with_release_and_acquire_alone_is_found_out,
    "deadlock",
    wakes_the_driver(Order::CODE, Raise::Right, 1)
);
is_found_out!(
    one_who_looks_at_the_mask_once_is_found_out,
    "it is unmasked, so it was sent",
    masks_and_unmasks(Order::SEQ_CST, Raise::LooksOnce)
);
is_found_out!(
    one_who_takes_a_pending_bit_in_two_steps_is_found_out,
    "sent 2 times, raised 1 times",
    masks_and_unmasks(Order::SEQ_CST, Raise::TakesInTwoSteps)
);
