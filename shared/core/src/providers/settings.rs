//! Settings that several providers read.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::settings::{Lookup, SettingError, text};
use crate::model::signature::Encoding;

/// Reads a list of networks, `203.0.113.0/24,2001:db8::/32`; an address alone is a network of one. Empty turns the check
/// off. The template's `RightfootAllowedCidrs` and `FinboxAllowedCidrs` refuse at deploy what is refused here.
pub(super) fn cidrs(lookup: Lookup<'_>, name: &str) -> Result<Vec<IpNet>, SettingError> {
    let list = text(lookup, name, "");
    let networks = list.split(',').map(str::trim).filter(|network| !network.is_empty());
    networks
        .map(|network| {
            let parsed = network.parse().or_else(|_| network.parse::<IpAddr>().map(IpNet::from));
            let rule = "must be addresses, or networks in CIDR notation, separated by commas";
            parsed.map_err(|_| SettingError::new(name, rule))
        })
        .collect()
}

/// Reads how a secret or a tag is encoded.
pub(super) fn encoding(lookup: Lookup<'_>, name: &str, default: &str) -> Result<Encoding, SettingError> {
    Encoding::from_name(&text(lookup, name, default)).ok_or(SettingError::new(name, "must be utf8, hex or base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_listed_and_an_address_is_one() {
        let read = |list: &str| {
            let list = list.to_string();
            let networks = cidrs(&move |_| Some(list.clone()), "X_ALLOWED_CIDRS")?;
            Ok::<_, SettingError>(networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        let rows = [
            ("", ""),
            ("203.0.113.0/24", "203.0.113.0/24"),
            ("203.0.113.7", "203.0.113.7/32"),
            ("2001:db8::7", "2001:db8::7/128"),
            (" 203.0.113.7 , 2001:db8::/32,", "203.0.113.7/32 2001:db8::/32"),
        ];
        for (list, expected) in rows {
            assert_eq!(read(list).unwrap(), expected, "{list}");
        }
        for list in
            ["203.0.113", "203.0.113.0/33", "203.0.113.256", "2001:db8::/129", "provider.example", "1.2.3.4;5.6.7.8"]
        {
            assert_eq!(read(list).unwrap_err().name, "X_ALLOWED_CIDRS", "{list}");
        }
    }
}
