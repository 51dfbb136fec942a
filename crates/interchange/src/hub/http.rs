//! Requests: by ureq, one a connection, through a proxy where the environment names one.

use std::{ffi::OsString, time::Duration};

use ureq::{Agent, Body, Proxy, http::Response};

use super::url::Url;
use crate::InterchangeError;

/// How long the other side may be silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an answer may take in all, its redirects apart: without a body, and with one, which may be a large model on a
/// slow line.
const DEADLINES: [Duration; 2] = [Duration::from_secs(120), Duration::from_secs(24 * 60 * 60)];

/// The variables that name a proxy for `http` and for `https`, the first that is set counting.
const PROXIES: [[&str; 4]; 2] =
    [["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"], ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]];

/// What asks, for `http` and for `https`.
pub(super) struct Client([Agent; 2]);

impl Client {
    /// A client with the proxies that variables name.
    ///
    /// # Errors
    /// [`InterchangeError::HubSetting`] if one is not a proxy's address.
    pub(super) fn from_vars(var: &impl Fn(&str) -> Option<OsString>) -> Result<Self, InterchangeError> {
        let [http, https] = PROXIES.map(|names| proxy(var, &names).map(agent));
        Ok(Self([http?, https?]))
    }

    /// Asks for `url`; redirects are answers like others.
    ///
    /// # Errors
    /// The system's error, or an answer that is not HTTP.
    pub(super) fn send(&self, method: &str, url: &Url, token: Option<&str>) -> Result<Response<Body>, ureq::Error> {
        let agent = &self.0[usize::from(url.is_secure())];
        let has_body = method != "HEAD";
        let address = url.to_string();
        let mut request = if has_body { agent.get(address) } else { agent.head(address) };
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.config().timeout_global(Some(DEADLINES[usize::from(has_body)])).build().call()
    }
}

fn agent(proxy: Option<Proxy>) -> Agent {
    Agent::config_builder()
        .proxy(proxy)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .timeout_connect(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .timeout_per_write(Some(PATIENCE))
        .user_agent(concat!("attentive/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .build()
        .into()
}

/// The proxy of the first variable that is set, which is not for the hosts of `NO_PROXY`.
fn proxy(var: &impl Fn(&str) -> Option<OsString>, names: &[&'static str]) -> Result<Option<Proxy>, InterchangeError> {
    let text =
        |name: &str| var(name).map(|value| value.to_string_lossy().trim().to_owned()).filter(|value| !value.is_empty());
    let Some((name, address)) = names.iter().find_map(|&name| Some((name, text(name)?))) else { return Ok(None) };
    let wrong =
        |_| InterchangeError::HubSetting { name, problem: "it is not the address of a proxy, http://host:port" };
    let named = Proxy::new(&address).map_err(wrong)?;
    let mut proxy = Proxy::builder(named.protocol()).host(named.host()).port(named.port());
    if let Some(user) = named.username() {
        proxy = proxy.username(user);
    }
    if let Some(password) = named.password() {
        proxy = proxy.password(password);
    }
    let direct = text("NO_PROXY").or_else(|| text("no_proxy")).unwrap_or_default();
    let direct = direct.split(',').map(str::trim).filter(|host| !host.is_empty());
    direct.fold(proxy, |proxy, host| proxy.no_proxy(host)).build().map(Some).map_err(wrong)
}
