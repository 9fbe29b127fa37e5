//! The target `check` for libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: blockpt_fuzz::check::Input| input.run());
