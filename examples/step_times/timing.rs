//! Timing as the peers' scripts do it, and their JSON lines.

use std::time::Instant;

use ed::diagnostics::quantile;
use ed::kernels::matmul::{Transpose, matmul};
use ed::prelude::*;

/// Untimed steps before the others.
const WARM: u64 = 4;

/// Times a step, and prints the line of its workload: the median and the least time, the peak memory of the process,
/// and, where given, numbers a second or the time of the bare products of the step.
pub fn report_steps(
    name: &str,
    num_steps: u64,
    numbers: Option<usize>,
    floor_ms: Option<f64>,
    mut step: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    for index in 0..WARM {
        step(index)?;
    }
    let mut times = Vec::new();
    for index in WARM..WARM + num_steps {
        let start = Instant::now();
        step(index)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let (median, min) = (quantile(&times, 0.5), quantile(&times, 0.0));
    let mut line = format!(
        "{{\"workload\": \"{name}\", \"peer\": \"ed\", \"step_ms_median\": {median:.3}, \"step_ms_min\": {min:.3}, \
         \"n\": {num_steps}"
    );
    if let Some(numbers) = numbers {
        line += &format!(", \"melem_per_s\": {:.1}", numbers as f64 / median / 1e3);
    }
    if let Some(floor) = floor_ms {
        line += &format!(", \"bare_products_ms\": {floor:.3}");
    }
    if let Some(megabytes) = peak_rss_mb() {
        line += &format!(", \"peak_rss_mb\": {megabytes}");
    }
    println!("{line}}}");
    Ok(())
}

/// The largest amount of memory that this process has had, where the system says so.
fn peak_rss_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

/// Milliseconds of matrix products, each `[m, k, n]` so many times: the least of several rounds.
pub fn products_ms(products: &[([usize; 3], usize)]) -> Result<f64> {
    let buffers: Vec<_> = products
        .iter()
        .map(|&([m, k, n], times)| {
            ([m, k, n], times, vec![0.5f32; m * k], vec![0.5f32; k * n], vec![0f32; m * n])
        })
        .collect();
    let mut buffers = buffers;
    let mut least = f64::INFINITY;
    for _ in 0..7 {
        let start = Instant::now();
        for (sizes, times, a, b, c) in &mut buffers {
            for _ in 0..*times {
                let refused = |why: ed::kernels::linalg::LinalgError| Error::Algorithm {
                    of: "products",
                    why: why.to_string(),
                };
                matmul(*sizes, 1.0, (a, Transpose::No), (b, Transpose::No), 0.0, c).map_err(refused)?;
            }
        }
        least = least.min(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(least)
}
