//! A saved domain as xl writes it, up to where libxl's helper would read on. `xl migrate` sends the same.

/// The beginning of the stream, up to the record which has libxl start its helper.
pub(crate) const STREAM: &[u8; 24] = b"LibxlFmt\0\0\0\x02\0\0\0\0\x01\0\0\0\0\0\0\0";

/// What comes before it, with the configuration.
pub(crate) fn header(json: &str) -> Vec<u8> {
    const BYTE_ORDER: u32 = 0x0102_0304;
    const JSON_AND_STREAM_V2: u32 = 3;
    let config = json.len() as u32 + 1;
    let numbers = [BYTE_ORDER, JSON_AND_STREAM_V2, 0, config + 4, config].map(u32::to_ne_bytes).concat();
    [b"Xen saved domain, xl format\n \0 \r", &numbers[..], json.as_bytes(), b"\0"].concat()
}
