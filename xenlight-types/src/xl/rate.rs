//! How much a network interface may send: `rate=10Mb/s@20ms`.

use super::problem::Wrong;
use super::scalar;
use serde_json::{Map, Value as Json};

/// The interval of a rate that says none, in µs.
const INTERVAL: u64 = 50_000;

/// `10MB/s@20ms`: how much of the traffic in which interval.
pub(crate) fn read(text: &str, nic: &mut Map<String, Json>) -> Result<(), Wrong> {
    const EXPECTED: &str = "a rate, such as 10Mb/s or 250KB/s@20ms";
    let wrong = || Wrong::text(text, EXPECTED);
    let large = || Wrong::text(text, "a rate that libxl can count");
    let (amount, interval) = text.split_once('@').map_or((text, None), |(amount, interval)| (amount, Some(interval)));
    let (count, unit) = amount.split_at(amount.find(|c: char| !c.is_ascii_digit()).unwrap_or(amount.len()));
    let scale = match unit.get(..unit.len().saturating_sub(3)) {
        Some("") => 1,
        Some("K") => 1_000,
        Some("M") => 1_000_000,
        Some("G") => 1_000_000_000,
        _ => return Err(wrong()),
    };
    let bits = match unit.get(unit.len().saturating_sub(3)..) {
        Some("b/s") => 8,
        Some("B/s") => 1,
        _ => return Err(wrong()),
    };
    let positive = |digits: &str| scalar::long(digits).filter(|number| (1..=i64::from(u32::MAX)).contains(number));
    let bytes = positive(count).ok_or_else(large)? as u64 * scale / bits;
    let interval = match interval {
        None => INTERVAL,
        Some(interval) => {
            let unit = interval.find(|c: char| !c.is_ascii_digit()).unwrap_or(interval.len());
            let scale = match &interval[unit..] {
                "" | "s" => 1_000_000,
                "ms" | "m" => 1_000,
                "us" | "u" => 1,
                _ => return Err(wrong()),
            };
            let interval = positive(&interval[..unit]).ok_or_else(large)? as u64 * scale;
            Some(interval).filter(|interval| *interval <= u64::from(u32::MAX)).ok_or_else(large)?
        }
    };
    let per_interval = bytes.checked_mul(interval).ok_or_else(large)? / 1_000_000;
    nic.insert("rate_bytes_per_interval".to_owned(), Json::from(per_interval));
    nic.insert("rate_interval_usecs".to_owned(), Json::from(interval));
    Ok(())
}

/// The rate in bytes, which has to be a whole number a second.
pub(crate) fn write(nic: &mut Map<String, Json>) -> Option<String> {
    let per_interval = nic.get("rate_bytes_per_interval")?.as_u64()?;
    let interval = nic.get("rate_interval_usecs")?.as_u64().filter(|interval| *interval > 0)?;
    // Rounded up: reading rounds down.
    let bytes = per_interval.checked_mul(1_000_000)?.div_ceil(interval).max(1);
    let units = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "K"), (1, "")];
    let (scale, unit) = units.into_iter().find(|(scale, _)| bytes % scale == 0)?;
    let text = format!("{}{unit}B/s@{interval}us", bytes / scale);
    let mut again = Map::new();
    read(&text, &mut again).ok()?;
    if again.get("rate_bytes_per_interval") != nic.get("rate_bytes_per_interval") {
        return None;
    }
    nic.remove("rate_bytes_per_interval");
    nic.remove("rate_interval_usecs");
    Some(text)
}
