//! What AWS charges, in US dollars, in us-east-1 and without the free tier: list prices as of November
//! 2025, from the pages "AWS Lambda pricing", "Amazon API Gateway pricing" and "Amazon CloudWatch
//! pricing". Other regions and later days may have others: what is computed from them is an estimate.

use labdeck_lab::blueprint::Architecture;

/// A million invocations of functions.
pub const MILLION_INVOCATIONS: f64 = 0.20;
/// A million requests to REST APIs, up to 333 million a month.
pub const MILLION_REQUESTS: f64 = 3.50;
/// A gigabyte of log events, taken in.
pub const LOG_GIGABYTE: f64 = 0.50;
/// Bytes that are counted for every log event beside its text.
pub const LOG_EVENT_BYTES: usize = 26;
/// An hour of a stage's cache, by its size in GB. Has no free tier.
const CACHE_HOUR: [(&str, f64); 8] = [
    ("0.5", 0.02),
    ("1.6", 0.038),
    ("6.1", 0.20),
    ("13.5", 0.25),
    ("28.4", 0.50),
    ("58.2", 1.00),
    ("118", 1.90),
    ("237", 3.80),
];

/// A second in which a function has a gigabyte of memory, of the first 6 billion a month.
pub fn gigabyte_second(architecture: Architecture) -> f64 {
    match architecture {
        Architecture::X86_64 => 0.000_016_666_7,
        Architecture::Arm64 => 0.000_013_333_4,
    }
}

/// An hour in which `count` environments of `memory_mb` are kept ready, whether they are used or not.
pub fn provisioned_hour(architecture: Architecture, memory_mb: i32, count: i32) -> f64 {
    let gigabyte_second = match architecture {
        Architecture::X86_64 => 0.000_004_166_7,
        Architecture::Arm64 => 0.000_003_333_4,
    };
    f64::from(memory_mb) / 1024.0 * f64::from(count) * gigabyte_second * 3600.0
}

/// An hour of a cache of so many GB, as API Gateway writes its sizes.
pub fn cache_hour(size: &str) -> Option<f64> {
    CACHE_HOUR.iter().find(|(of, _)| *of == size).map(|(_, dollars)| *dollars)
}

/// A million invocations that are billed for so many ms each, with so much memory.
pub fn million(architecture: Architecture, memory_mb: f64, billed_ms: f64) -> f64 {
    MILLION_INVOCATIONS
        + memory_mb / 1024.0 * billed_ms / 1000.0 * 1e6 * gigabyte_second(architecture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_requests_cost_what_the_price_list_says() {
        // 128 MB for 100 ms: 12,500 GB-seconds.
        let dollars = million(Architecture::X86_64, 128.0, 100.0);
        assert!((dollars - 0.408).abs() < 0.001, "{dollars}");
        assert!(million(Architecture::Arm64, 128.0, 100.0) < dollars);
        let hour = provisioned_hour(Architecture::X86_64, 1024, 1);
        assert!((hour - 0.015).abs() < 0.001, "{hour}");
        assert_eq!(cache_hour("0.5"), Some(0.02));
    }
}
