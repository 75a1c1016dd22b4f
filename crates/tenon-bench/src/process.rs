//! What a process used, from `/proc`.

use std::path::PathBuf;

use crate::{BenchError, Report};

/// Ticks a second of `/proc/PID/stat`: fixed by the kernel's user interface.
const TICKS_PER_S: f64 = 100.0;

/// What a process used since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// CPU seconds, user and system.
    pub(crate) cpu_s: f64,
    /// Bytes it caused to be written to the disk.
    pub(crate) written_bytes: f64,
    /// Resident memory now.
    pub(crate) rss_bytes: f64,
}

impl Usage {
    /// Of a process by its number.
    pub(crate) fn of(pid: u32) -> Result<Self, BenchError> {
        let read = |file: &str| {
            let path = PathBuf::from(format!("/proc/{pid}/{file}"));
            std::fs::read_to_string(&path)
                .map_err(|source| BenchError::io(path.display().to_string(), source))
        };
        Ok(Self {
            cpu_s: cpu_s(&read("stat")?),
            written_bytes: field(&read("io")?, "write_bytes:"),
            rss_bytes: field(&read("status")?, "VmRSS:") * 1_024.0,
        })
    }

    /// Of this process.
    pub(crate) fn own() -> Result<Self, BenchError> {
        Self::of(std::process::id())
    }

    /// What was used since `earlier`; memory as it is now.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            cpu_s: self.cpu_s - earlier.cpu_s,
            written_bytes: self.written_bytes - earlier.written_bytes,
            rss_bytes: self.rss_bytes,
        }
    }
}

/// Puts what both sides used while `messages` went through.
pub(crate) fn put(report: &mut Report, phase: &str, server: Usage, own: Usage, messages: f64) {
    report.put(format!("{phase}server_cpu_s"), server.cpu_s);
    report.put(format!("{phase}generator_cpu_s"), own.cpu_s);
    report.put(format!("{phase}server_rss_bytes"), server.rss_bytes);
    report.put(format!("{phase}server_written_bytes"), server.written_bytes);
    if messages > 0.0 {
        report.put(format!("{phase}server_cpu_us_per_message"), server.cpu_s * 1e6 / messages);
        report.put(format!("{phase}generator_cpu_us_per_message"), own.cpu_s * 1e6 / messages);
        report.put(format!("{phase}written_bytes_per_message"), server.written_bytes / messages);
    }
}

/// Fields 14 and 15, counted behind the name in brackets, which may hold anything.
fn cpu_s(stat: &str) -> f64 {
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: f64 = rest.split(' ').skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_S
}

fn field(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0 1 2 3";
        assert!((cpu_s(stat) - 3.0).abs() < 1e-9);
        assert!((field("VmPeak:\t9 kB\nVmRSS:\t  42 kB\n", "VmRSS:") - 42.0).abs() < 1e-9);
        assert!(Usage::own().unwrap().rss_bytes > 1e6);
    }
}
