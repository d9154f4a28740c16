//! Fetching a file from an http address: the socket behind ADD.

use std::io::{self, Write};
use std::time::Duration;

use http::Uri;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

use crate::proxy::{Proxies, is_loopback};

/// How long a server may take to be reached and to begin its answer. How long the answer itself
/// takes is the size's business.
const PATIENCE: Duration = Duration::from_mins(1);

/// How the network may be used.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// The proxies that lead there.
    pub proxies: Proxies,
    /// Whether nobody but this machine may be asked.
    pub offline: bool,
}

/// Writes what is at `url` to `out`. Redirects are followed, the same way, and certificates are
/// checked against the machine's own list. The error is a sentence that names the address.
pub fn fetch(url: &str, way: &Way, out: &mut dyn Write) -> Result<(), String> {
    let uri: Uri = url.parse().map_err(|e| format!("fetch {url}: {e}"))?;
    let host = uri.host().unwrap_or_default();
    if way.offline && !is_loopback(host) {
        return Err(format!(
            "fetch {url}: only this machine may be asked (CORACLE_OFFLINE is set)"
        ));
    }
    let scheme = uri.scheme_str().unwrap_or_default();
    let proxy = way.proxies.of(scheme, host, uri.port_u16());
    let proxy = proxy
        .map(Proxy::new)
        .transpose()
        .map_err(|e| said(url, &e))?;
    let roots = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
    let config = Agent::config_builder()
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .user_agent("coracle")
        .proxy(proxy)
        .tls_config(roots.build());
    let agent = Agent::new_with_config(config.build());
    let mut answer = agent.get(url).call().map_err(|error| said(url, &error))?;
    let size = answer.body().content_length();
    let mut body = answer.body_mut().as_reader();
    let copied = io::copy(&mut body, out).map_err(|e| format!("fetch {url}: {e}"))?;
    match size {
        Some(size) if size != copied => Err(format!(
            "fetch {url}: the answer ended after {copied} of {size} bytes; try again"
        )),
        _ => Ok(()),
    }
}

fn said(url: &str, error: &ureq::Error) -> String {
    match error {
        ureq::Error::StatusCode(404) => {
            format!("fetch {url}: the server has nothing there (404 Not Found)")
        }
        ureq::Error::StatusCode(code) => format!("fetch {url}: the server answers {code}"),
        ureq::Error::HostNotFound => {
            format!("fetch {url}: the host is not known; is this machine online?")
        }
        other => format!("fetch {url}: {other}"),
    }
}
