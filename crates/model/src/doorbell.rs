//! The doorbell: `ts/bus/doorbell.ts`, line by line, without its time-outs, of which a model needs none
//! unless a wake-up is lost.

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

    /// `Doorbell.ring`
    pub fn ring(&self) {
        if self.sleeping.load() != 0 {
            self.bell.add(1);
            self.bell.notify();
        }
    }

    /// `Doorbell.sleep`
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
