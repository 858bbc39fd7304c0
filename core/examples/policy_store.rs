//! How much memory a policy of many tokens takes, and what a lookup in it costs beside one in a small policy.
//!
//! `cargo run --release -p postern-core --example policy_store`
//!
//! Resident memory is read from `/proc`, so this runs on Linux. `docs/decisions/002-policy-store.md` shows a run.

use std::fs;
use std::hint::black_box;
use std::time::Duration;

use postern_core::api_token::TokenHash;
use postern_core::id::number_to_text;
use postern_core::policy::document::{Expiry, Person, Token};
use postern_core::policy::{Change, Policy, Record, Store};
use postern_core::time::Timestamp;

const LOOKUPS: u64 = 2_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let small = filled(100)?;
    let base = lookup_cost(&small, 100);
    let before = resident_bytes()?;
    let big = filled(1_000_000)?;
    let bytes = resident_bytes()?.saturating_sub(before);
    println!(
        "1,000,000 tokens: {:.1} MiB, {} bytes a token",
        mib(bytes),
        bytes / 1_000_000
    );
    let costs = [(100, base), (1_000_000, lookup_cost(&big, 1_000_000))];
    for (tokens, (by_hash, by_id)) in costs {
        println!(
            "{tokens:>9} tokens: lookup by hash {:.2}, by id {:.2} (ratio to 100 tokens)",
            by_hash.as_secs_f64() / base.0.as_secs_f64(),
            by_id.as_secs_f64() / base.1.as_secs_f64(),
        );
    }
    Ok(())
}

/// A policy with as many tokens as asked for and one person for every hundred, with ids as a registry makes them.
fn filled(tokens: u64) -> Result<Policy, String> {
    let told = |faults: Vec<postern_core::policy::PolicyFault>| {
        faults.iter().map(ToString::to_string).collect::<String>()
    };
    let mut store = Store::default();
    for number in 0..tokens.div_ceil(100) {
        let person = Person {
            id: number_to_text(number),
            roles: Vec::new(),
            active: true,
            valid_from: None,
        };
        store
            .apply(Change::Put(Record::Person(&person)))
            .map_err(told)?;
    }
    for number in 0..tokens {
        let token = Token {
            id: number_to_text(number),
            person: number_to_text(number / 100),
            hash: hash(number),
            expires_at: Expiry::At(Timestamp::from_secs(1_900_000_000 + number)),
            active: true,
            valid_from: None,
        };
        store
            .apply(Change::Put(Record::Token(&token)))
            .map_err(told)?;
    }
    Policy::compile(store).map_err(told)
}

fn hash(number: u64) -> TokenHash {
    TokenHash::of(&number.to_le_bytes())
}

/// The time for [`LOOKUPS`] lookups of tokens drawn uniformly, by hash and by id, without that of making the keys.
fn lookup_cost(policy: &Policy, tokens: u64) -> (Duration, Duration) {
    let draw = |step: u64| step.wrapping_mul(0x9e37_79b9_7f4a_7c15) % tokens;
    let drawn: Vec<_> = (0..50_000)
        .map(draw)
        .map(|number| (hash(number), number_to_text(number)))
        .collect();
    let rounds = LOOKUPS / drawn.len() as u64;
    let timed = |lookup: &dyn Fn(&(TokenHash, String))| {
        let start = start();
        for _ in 0..rounds {
            drawn.iter().for_each(lookup);
        }
        start.elapsed()
    };
    let by_hash = timed(&|(hash, _)| {
        black_box(policy.token_by_hash(black_box(hash)));
    });
    let by_id = timed(&|(_, id)| {
        black_box(policy.token_by_id(black_box(id)));
    });
    (by_hash, by_id)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement reads a clock; no rule does"
)]
fn start() -> std::time::Instant {
    std::time::Instant::now()
}

fn resident_bytes() -> Result<u64, Box<dyn std::error::Error>> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm
        .split_whitespace()
        .nth(1)
        .ok_or("no resident size in statm")?
        .parse()?;
    Ok(pages * 4096)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
