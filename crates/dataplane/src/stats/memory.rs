//! How much memory the process takes.
//!
//! Owns the three figures of `/memory` and `server.memory_*`. Envoy asks its allocator; this asks the kernel, since
//! Python and Rust have an allocator each: "allocated" is what is resident and belongs to no file.

/// Sizes in bytes; 0 where the system does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Resident memory that belongs to no file.
    pub allocated: u64,
    /// Address space for data.
    pub heap_size: u64,
    /// All resident memory.
    pub physical_size: u64,
}

impl Memory {
    /// Now.
    pub fn read() -> Self {
        std::fs::read_to_string("/proc/self/status").map(|status| Self::parse(&status)).unwrap_or_default()
    }

    fn parse(status: &str) -> Self {
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        Self { allocated: bytes("RssAnon:"), heap_size: bytes("VmData:"), physical_size: bytes("VmRSS:") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_bytes() {
        let status = "Name:\tx\nVmRSS:\t    2048 kB\nRssAnon:\t 1024 kB\nVmData:\t  4096 kB\n";
        let expected = Memory { allocated: 1 << 20, heap_size: 4 << 20, physical_size: 2 << 20 };
        assert_eq!(Memory::parse(status), expected);
        assert_eq!(Memory::parse(""), Memory::default());
    }
}
