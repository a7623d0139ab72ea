//! Fuzzes lines of facts: `cargo +nightly fuzz run swap_line`.
#![no_main]

#[path = "../checks.rs"]
#[allow(dead_code, reason = "each target runs one of the checks")]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = checks::swap_line(data);
});
