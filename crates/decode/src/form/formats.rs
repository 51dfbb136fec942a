//! Formats of strings, by the names that JSON Schema has for them (2020-12, validation, §7.3).
//!
//! Each is a pattern of texts that are all of the format; of some formats, not of all such texts: addresses of mail have no
//! quotes, and URIs no addresses in brackets.

/// The pattern of a format, if it is supported.
pub(super) fn pattern(name: &str) -> Option<String> {
    const LEAP: &str = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29";
    const TIME: &str =
        "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])";
    const LABEL: &str = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
    const BYTE: &str = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    let days = "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8])";
    let date = format!("(?:[0-9]{{4}}-(?:{days})|{LEAP})");
    let host = format!("{LABEL}(?:\\.{LABEL}){{0,3}}");
    Some(match name {
        "date" => format!("^{date}$"),
        "time" => format!("^{TIME}$"),
        "date-time" => format!("^{date}T{TIME}$"),
        "duration" => {
            let n = "[0-9]{1,9}";
            let time = format!("T(?:{n}H(?:{n}M(?:{n}S)?)?|{n}M(?:{n}S)?|{n}S)");
            let days = format!("(?:{n}Y(?:{n}M(?:{n}D)?)?|{n}M(?:{n}D)?|{n}D)");
            format!("^P(?:{days}(?:{time})?|{time}|{n}W)$")
        }
        "email" => format!("^[A-Za-z0-9_+-]{{1,32}}(?:\\.[A-Za-z0-9_+-]{{1,31}})?@{host}$"),
        "hostname" => format!("^{host}$"),
        "ipv4" => format!("^{BYTE}(?:\\.{BYTE}){{3}}$"),
        "ipv6" => "^[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){7}$".to_owned(),
        "uuid" => "^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$".to_owned(),
        "uri" => {
            let path = "(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*";
            format!("^[A-Za-z][A-Za-z0-9+.-]{{0,15}}://{host}(?::[0-9]{{1,5}})?(?:/{path})?(?:\\?{path})?(?:#{path})?$")
        }
        _ => return None,
    })
}
