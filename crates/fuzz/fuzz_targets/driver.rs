//! The target `driver` for libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: blockpt_fuzz::driver::Input| input.run());
