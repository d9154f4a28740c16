//! Fetching a file from an http address: the socket behind ADD.

use std::io::{self, Write};
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

/// How long a server may take to be reached and to begin its answer. How long the answer itself
/// takes is the size's business.
const PATIENCE: Duration = Duration::from_mins(1);

/// Writes what is at `url` to `out`. Redirects are followed, certificates are checked against
/// the machine's own list, and proxies are those of the environment (`HTTPS_PROXY` and its kin).
/// The error is a sentence that names the address.
pub fn fetch(url: &str, out: &mut dyn Write) -> Result<(), String> {
    let roots = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
    let config = Agent::config_builder()
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .user_agent("coracle")
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
