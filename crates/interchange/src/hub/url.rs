//! Addresses, and where redirects lead.

use std::fmt;

/// An `http` or `https` address; its characters are printable ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    secure: bool,
    authority: String,
    /// From the slash on, with the query.
    path: String,
}

impl Url {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (secure, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://")?),
        };
        let rest = rest.split('#').next()?;
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        // A name and a password before the host are not for us, and no line of a request is ended by an address.
        let is_sound = !authority.is_empty() && !authority.contains('@') && rest.bytes().all(|b| b.is_ascii_graphic());
        is_sound.then(|| Self { secure, authority: authority.to_ascii_lowercase(), path })
    }

    /// What a `Location` means here; none that leaves TLS.
    pub(super) fn join(&self, location: &str) -> Option<Self> {
        let scheme = if self.secure { "https" } else { "http" };
        let path = self.path.split('?').next().unwrap_or_default();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let absolute = match location {
            _ if location.contains("://") && !location.starts_with('/') => location.to_owned(),
            _ if location.starts_with("//") => format!("{scheme}:{location}"),
            _ if location.starts_with('/') => format!("{scheme}://{}{location}", self.authority),
            _ => format!("{scheme}://{}{folder}/{location}", self.authority),
        };
        Self::parse(&absolute).filter(|to| to.secure || !self.secure)
    }

    /// Whether it is over TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether both are of one scheme, host and port.
    pub(super) fn same_origin(&self, other: &Self) -> bool {
        (self.secure, self.host_and_port()) == (other.secure, other.host_and_port())
    }

    /// The host without an IPv6 address's brackets, and the port; port 0 if it is not a number.
    fn host_and_port(&self) -> (&str, u16) {
        let (host, port) = match self.authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(0)),
            _ => (&*self.authority, if self.secure { 443 } else { 80 }),
        };
        (host.trim_start_matches('[').trim_end_matches(']'), port)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.secure { "https" } else { "http" }, self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn locations_are_resolved() {
        let base = url("https://hub.example/a/b?c=d");
        for (location, expected) in [
            ("https://cdn.example/x?y", "https://cdn.example/x?y"),
            ("//cdn.example/x", "https://cdn.example/x"),
            ("/x?to=http://y", "https://hub.example/x?to=http://y"),
            ("x", "https://hub.example/a/x"),
        ] {
            assert_eq!(base.join(location).unwrap().to_string(), expected);
        }
        assert_eq!(base.join("http://hub.example/x"), None, "TLS is not left");
        assert_eq!(base.join("/a b\r\n"), None);
        assert_eq!(base.join("ftp://hub.example/x"), None);
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |a, b| url(a).same_origin(&url(b));
        assert!(same("https://hub.example", "https://HUB.example:443/x"));
        assert!(same("http://[::1]/", "http://[::1]:80/"));
        assert!(!same("https://hub.example", "http://hub.example"));
        assert!(!same("http://127.0.0.1:1", "http://127.0.0.1:2"));
        assert!(!same("https://hub.example", "https://hub.example.org"));
        assert_eq!(Url::parse("https://name@hub.example"), None);
    }
}
