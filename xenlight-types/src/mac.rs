//! The address of a network interface.

use std::fmt;
use std::str::FromStr;

/// An Ethernet address, displayed and parsed as `00:16:3e:12:34:56`. Addresses of Xen begin with `00:16:3e`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

/// The text is not an Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an Ethernet address is six bytes in hexadecimal with colons between, such as 00:16:3e:12:34:56")]
#[non_exhaustive]
pub struct NoMac;

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = NoMac;

    fn from_str(text: &str) -> Result<Self, NoMac> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part =
                parts.next().filter(|part| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit()));
            *byte = part.and_then(|part| u8::from_str_radix(part, 16).ok()).ok_or(NoMac)?;
        }
        if parts.next().is_some() { Err(NoMac) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        let mac = Mac([0x00, 0x16, 0x3e, 0x0a, 0xff, 0x01]);
        assert_eq!(mac.to_string(), "00:16:3e:0a:ff:01");
        assert_eq!("00:16:3E:0a:FF:01".parse(), Ok(mac));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["", "00:16:3e:0a:ff", "00:16:3e:0a:ff:01:02", "0:16:3e:0a:ff:01", "00:16:3e:0a:ff:0g", "+0:16:3e:0a:ff:01"]
        {
            assert_eq!(text.parse::<Mac>(), Err(NoMac), "{text}");
        }
    }
}
