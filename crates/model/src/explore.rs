//! Runs a model through all its interleavings, and says how many there were.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Explores every interleaving of a model; says how many there are.
pub fn explore(name: &str, model: impl Fn() + Send + Sync + 'static) -> usize {
    explore_to(name, None, model)
}

/// Explores those with at most so many preemptions, where all would take hours.
pub fn explore_within(
    name: &str,
    preemptions: usize,
    model: impl Fn() + Send + Sync + 'static,
) -> usize {
    explore_to(&format!("{name}, {preemptions} preemptions"), Some(preemptions), model)
}

fn explore_to(
    name: &str,
    preemptions: Option<usize>,
    model: impl Fn() + Send + Sync + 'static,
) -> usize {
    static EXPLORED: AtomicUsize = AtomicUsize::new(0);
    let started = std::time::Instant::now();
    let count = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 100_000;
    builder.preemption_bound = preemptions;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let count = count.load(Ordering::Relaxed);
    let all = EXPLORED.fetch_add(count, Ordering::Relaxed) + count;
    let seconds = started.elapsed().as_secs_f32();
    println!("{name}: {count} interleavings in {seconds:.1} s; {all} so far");
    count
}
