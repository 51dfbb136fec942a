//! Speed of an update's exchange: `mpirun -n 2 target/release/examples/exchange [VALUES]`, built with the feature `mpi`.
//!
//! A vector is summed and gathered again and again; what is shown is the time of the fastest round, the bytes that process 0
//! sends in it, and the bandwidth that they come to.
#![allow(clippy::print_stdout, reason = "a bench shows its figures")]

use std::{error::Error, time::Instant};

use attentive_collective::{Collective, Mpi, all_gather, any, reduce_scatter};

const ROUNDS: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let peers = Mpi::start()?;
    let (rank, size) = (peers.rank(), peers.size());
    let n = std::env::args().nth(1).map_or(Ok(16_000_000), |n| n.parse())?;
    let cuts: Vec<usize> = (0..=size).map(|piece| piece * n / size).collect();
    let mut values = vec![1.0; n];
    let (mut best, mut sent) = ([f64::INFINITY; 2], 0);
    for _ in 0..ROUNDS {
        any(&peers, false)?; // all begin together
        let before = peers.bytes_sent();
        let started = Instant::now();
        reduce_scatter(&peers, &mut values, &cuts)?;
        let reduced = started.elapsed().as_secs_f64();
        all_gather(&peers, &mut values, &cuts)?;
        any(&peers, false)?;
        let gathered = started.elapsed().as_secs_f64() - reduced;
        if reduced + gathered < best[0] + best[1] {
            best = [reduced, gathered];
        }
        sent = peers.bytes_sent() - before;
    }
    if rank == 0 {
        let rate = sent as f64 / (best[0] + best[1]) / 1e9;
        let [reduced, gathered] = best.map(|seconds| seconds * 1e3);
        println!(
            "{size} processes, {n} values: {reduced:.1} ms to sum, {gathered:.1} ms to gather; {sent} bytes, {rate:.2} GB/s"
        );
    }
    peers.finish();
    Ok(())
}
