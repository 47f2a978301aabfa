//! Sizes on the command line: `100`, `16k` and `1MB`-like suffixes.

/// Reads a size: `k`, `m`, `g` are powers of 1024, `kb`, `mb`, `gb` powers of 1000 (librdkafka's "1 MB batch" is 1,000,000 bytes).
pub fn size(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &lower[digits.len()..] {
        "" | "b" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        other => return Err(format!("unknown unit '{other}', use k, m, g, kb, mb or gb")),
    };
    let number: f64 = digits.parse().map_err(|_| format!("'{digits}' is not a number"))?;
    Ok((number * unit as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!(size("100"), Ok(100));
        assert_eq!(size("16k"), Ok(16_384));
        assert_eq!(size("1mb"), Ok(1_000_000));
        assert_eq!(size("0.5GB"), Ok(500_000_000));
        assert!(size("1x").is_err() && size("k").is_err());
    }
}
