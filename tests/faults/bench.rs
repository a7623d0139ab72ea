//! What the faults have in common: keys by the hundred, what a process takes, and times in order.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde_json::json;

use crate::harness::{
    server::{Key, Server},
    wire::{Wire, head},
};

/// Most active keys of one account.
const KEYS_OF_ACCOUNT: usize = 10;

/// Makes keys over one kept connection.
pub fn keys(server: &Server, count: usize) -> Vec<Key> {
    let mut admin = Wire::connect(server.admin);
    let mut keys = Vec::with_capacity(count);
    let mut account = String::new();
    while keys.len() < count {
        if keys.len().is_multiple_of(KEYS_OF_ACCOUNT) {
            let made = post(
                &mut admin,
                "/v1/accounts",
                &json!({"name": "crowd", "plan": "alpha"}),
            );
            made["id"].as_str().expect("an id").clone_into(&mut account);
        }
        let made = post(&mut admin, "/v1/keys", &json!({"account_id": account}));
        let text = |name: &str| made[name].as_str().expect(name).to_owned();
        keys.push(Key {
            id: text("id"),
            text: text("key"),
        });
    }
    keys
}

/// A request to the admin listener over a kept connection.
pub fn post(admin: &mut Wire, path: &str, body: &serde_json::Value) -> serde_json::Value {
    let body = body.to_string();
    let (bearer, length) = (format!("Bearer {}", Server::TOKEN), body.len().to_string());
    let fields = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("content-length", &length),
    ];
    admin.send(&[head("POST", path, &fields).as_bytes(), body.as_bytes()].concat());
    admin.reply().ok_json()
}

/// Resident memory of a process in kB.
pub fn resident_kb(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kb.expect("VmRSS in kB").trim().parse().unwrap()
}

/// Open descriptors of a process.
pub fn descriptors(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

/// The middle, the 99th percentile and the most of some times; zeros where there are none.
pub fn spread(times: &mut [Duration]) -> (Duration, Duration, Duration) {
    times.sort_unstable();
    let at = |share: f64| {
        let place = (times.len() as f64 * share) as usize;
        times
            .get(place.min(times.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    };
    (at(0.5), at(0.99), at(1.0))
}

/// Tells threads to stop when it is dropped, also where a test fails: nobody waits for them in vain.
pub struct Stop<'a>(pub &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Numbers that follow from a seed, which is told so that a run can be repeated.
pub struct Dice(u64);

impl Dice {
    /// From `SIGCAST_FAULTS_SEED`, or this one.
    pub fn new() -> Self {
        let seed = std::env::var("SIGCAST_FAULTS_SEED").ok();
        Dice(seed.and_then(|text| text.parse().ok()).unwrap_or(1))
    }

    /// Below `end`. SplitMix64.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }
}
