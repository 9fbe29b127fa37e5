//! The orderings of the two accesses that order everything else. A file of its own, as
//! `crates/model` compiles it with a memory that a model checker looks into.
//!
//! Sequentially consistent, both. Each publication is followed by a look at the other
//! side's *sleeping* word or interrupt mask, and each fall asleep by a look at `idx`: a
//! store, then a load of another word, which release and acquire alone let native
//! hardware reorder, so that both sides would miss each other. Atomics of WebAssembly
//! and JavaScript are sequentially consistent anyway.

use core::sync::atomic::Ordering;

/// Of a look at a ring's `idx`.
pub const LOOK: Ordering = Ordering::SeqCst;
/// Of the publication of a ring's `idx`.
pub const PUBLISH: Ordering = Ordering::SeqCst;
