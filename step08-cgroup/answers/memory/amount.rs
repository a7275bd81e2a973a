//! How much: the values of `--memory` and `--cpus`.

/// Reads a size: a number of bytes, or of K, M or G, each 1024 times the one before.
pub fn bytes(text: &str) -> Result<u64, &'static str> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => 0,
    };
    let bytes = digits.parse().ok().and_then(|n: u64| n.checked_mul(unit));
    let bytes = bytes.filter(|bytes| *bytes > 0);
    bytes.ok_or("expected a size such as 64M after --memory")
}

/// Reads a number of processors. The kernel gives out a thousandth of a second at least.
pub fn cpus(text: &str) -> Result<f64, &'static str> {
    let cpus = text.parse().ok();
    let cpus = cpus.filter(|cpus| (0.01..=10_000.0).contains(cpus));
    cpus.ok_or("expected a number such as 0.5, and 0.01 at least, after --cpus")
}
