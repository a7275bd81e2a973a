//! How much: the values of `--memory` and `--cpus`.

/// Reads a size: a number of bytes, or of K, M or G, each 1024 times the one before.
pub fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    let bytes = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    (bytes > 0).then_some(bytes)
}

/// Reads a number of processors. The kernel gives out a thousandth of a second at least.
pub fn cpus(text: &str) -> Option<f64> {
    let cpus = text.parse().ok()?;
    (0.01..=10_000.0).contains(&cpus).then_some(cpus)
}
