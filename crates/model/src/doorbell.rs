//! The doorbell, method by method, without time-outs, of which a model needs none unless a wake-up is
//! lost. What is quoted is what the code has, or `test/package/model.test.ts` fails.

use crate::word::{Order, Word};

/// What a control does differently, to be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// As the code does.
    Right,
    /// Says that it sleeps only after it has looked for work.
    LooksFirst,
    /// Reads the bell only after it has looked for work.
    HearsLast,
}

/// The two words.
pub struct Doorbell {
    bell: Word,
    sleeping: Word,
    sleep: Sleep,
}

impl Doorbell {
    /// A doorbell that was never rung.
    pub fn new(order: Order, sleep: Sleep) -> Self {
        Self { bell: Word::new(0, order), sleeping: Word::new(0, order), sleep }
    }

    /// ```ts
    /// // ts/bus/doorbell.ts
    /// ring(): void {
    ///   if (Atomics.load(this.#words, this.#sleeping) !== 0) this.wake();
    /// }
    /// ```
    pub fn ring(&self) {
        if self.sleeping.load() != 0 {
            self.wake();
        }
    }

    /// ```ts
    /// // ts/bus/doorbell.ts
    /// wake(): void {
    ///   Atomics.add(this.#words, this.#bell, 1);
    ///   Atomics.notify(this.#words, this.#bell);
    /// }
    /// ```
    pub fn wake(&self) {
        self.bell.add(1);
        self.bell.notify();
    }

    /// `sleepAsync` is the same with another way to wait:
    ///
    /// ```ts
    /// // ts/bus/doorbell.ts
    /// sleep(hasWork: () => boolean, mostMs: number): void {
    ///   const words = this.#words;
    ///   Atomics.store(words, this.#sleeping, 1);
    ///   const heard = Atomics.load(words, this.#bell);
    ///   if (!hasWork()) Atomics.wait(words, this.#bell, heard, mostMs);
    ///   Atomics.store(words, this.#sleeping, 0);
    /// }
    /// ```
    /// ```ts
    /// // ts/bus/doorbell.ts
    /// async sleepAsync(hasWork: () => boolean, mostMs: number): Promise<void> {
    ///   const words = this.#words;
    ///   Atomics.store(words, this.#sleeping, 1);
    ///   const heard = Atomics.load(words, this.#bell);
    ///   if (!hasWork()) await Atomics.waitAsync(words, this.#bell, heard, mostMs).value;
    ///   Atomics.store(words, this.#sleeping, 0);
    /// }
    /// ```
    pub fn sleep(&self, mut has_work: impl FnMut() -> bool) {
        match self.sleep {
            Sleep::Right => {
                self.sleeping.store(1);
                let heard = self.bell.load();
                if !has_work() {
                    self.bell.wait(heard);
                }
            }
            Sleep::LooksFirst => {
                let heard = self.bell.load();
                let has_work = has_work();
                self.sleeping.store(1);
                if !has_work {
                    self.bell.wait(heard);
                }
            }
            Sleep::HearsLast => {
                self.sleeping.store(1);
                if !has_work() {
                    let heard = self.bell.load();
                    self.bell.wait(heard);
                }
            }
        }
        self.sleeping.store(0);
    }
}
