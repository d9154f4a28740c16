//! The client's side of a socket: HTTP/1.1 over TCP and TLS.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::time::Duration;

use ::http::Uri;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy, SendBody};

use crate::proxy::Proxies;
use crate::registry::http::{Body, Request, Response, Transport, TransportError};

/// Connections to whoever is asked.
#[derive(Debug)]
pub struct Sockets {
    proxies: Proxies,
    /// For hosts about which nothing is known.
    usual: Ways,
    /// By host, with the port if it is not the usual one.
    special: BTreeMap<String, Ways>,
}

/// An agent for each way: straight, and through each proxy.
#[derive(Debug)]
struct Ways {
    straight: Agent,
    through: BTreeMap<String, Agent>,
}

/// Whose certificates are trusted at one host, besides the machine's own list.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Certificates of authorities, in PEM.
    pub authorities: Vec<Vec<u8>>,
    /// The certificate and the key, in PEM, by which this client shows who it is.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Whether any certificate will do, be it whose it may.
    pub anybody: bool,
}

/// How long anything may stand still.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until there is a connection.
    pub connect: Duration,
    /// Until there is an answer.
    pub answer: Duration,
    /// Between two pieces of a body.
    pub stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            answer: Duration::from_mins(1),
            stall: Duration::from_secs(30),
        }
    }
}

impl Sockets {
    /// Sockets that trust the machine's own list of authorities, and at the hosts of `trust` what
    /// stands there. The error is a sentence.
    pub fn new(
        trust: &BTreeMap<String, Trust>,
        patience: Patience,
        proxies: Proxies,
    ) -> Result<Self, String> {
        let mut special = BTreeMap::new();
        for (host, trust) in trust {
            let tls = tls(trust).map_err(|why| format!("the certificates for {host}: {why}"))?;
            special.insert(host.clone(), Ways::new(&tls, patience, &proxies)?);
        }
        let own = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
        let usual = Ways::new(&own.build(), patience, &proxies)?;
        Ok(Self {
            proxies,
            usual,
            special,
        })
    }

    /// Who talks to a host; the host has its port if that is not the usual one.
    fn agent(&self, uri: &Uri) -> &Agent {
        let host = uri.authority().map_or("", |authority| authority.as_str());
        let ways = self.special.get(host).unwrap_or(&self.usual);
        let scheme = uri.scheme_str().unwrap_or_default();
        let host = uri.host().unwrap_or_default();
        let proxy = self.proxies.of(scheme, host, uri.port_u16());
        let through = proxy.and_then(|proxy| ways.through.get(proxy));
        through.unwrap_or(&ways.straight)
    }
}

impl Ways {
    fn new(tls: &TlsConfig, patience: Patience, proxies: &Proxies) -> Result<Self, String> {
        let mut through = BTreeMap::new();
        for address in proxies.all() {
            let proxy =
                Proxy::new(address).map_err(|e| format!("a proxy of the environment: {e}"))?;
            let agent = agent(tls.clone(), Some(proxy), patience);
            through.insert(address.to_owned(), agent);
        }
        Ok(Self {
            straight: agent(tls.clone(), None, patience),
            through,
        })
    }
}

impl Transport for Sockets {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        let uri = request.uri();
        let host = uri.authority().map_or("", |a| a.as_str()).to_owned();
        let agent = self.agent(uri);
        let sends = !matches!(request.method().as_str(), "GET" | "HEAD" | "DELETE");
        let (head, body) = request.into_parts();
        let answer = if sends {
            let mut head = head;
            if let Some(length) = body.length() {
                head.headers
                    .insert(http::header::CONTENT_LENGTH, length.into());
            }
            agent.run(http::Request::from_parts(
                head,
                SendBody::from_owned_reader(body),
            ))
        } else {
            agent.run(http::Request::from_parts(head, ()))
        };
        let (head, body) = answer.map_err(|error| told(host, error))?.into_parts();
        let length = body.content_length();
        let body = Body::new(Told(body.into_reader()), length);
        Ok(Response::from_parts(head, body))
    }
}

/// Says "stood still" where ureq says how it measures that.
struct Told<R>(R);

impl<R: Read> Read for Told<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| {
            let text = error.to_string();
            if error.kind() == io::ErrorKind::TimedOut || text.starts_with("timeout") {
                return io::Error::new(io::ErrorKind::TimedOut, "it stood still for too long");
            }
            error
        })
    }
}

fn agent(tls: TlsConfig, proxy: Option<Proxy>, patience: Patience) -> Agent {
    let config = Agent::config_builder()
        // Redirects, statuses and everything else is the client's business.
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent("coracle")
        .accept("")
        .accept_encoding("identity")
        .timeout_connect(Some(patience.connect))
        .timeout_recv_response(Some(patience.answer))
        .timeout_per_read(Some(patience.stall))
        .timeout_per_write(Some(patience.stall))
        .max_idle_connections_per_host(8)
        .input_buffer_size(128 << 10)
        .output_buffer_size(128 << 10)
        .max_response_header_size(64 << 10)
        .proxy(proxy)
        .tls_config(tls);
    Agent::new_with_config(config.build())
}

fn tls(trust: &Trust) -> Result<TlsConfig, String> {
    let mut builder = TlsConfig::builder().disable_verification(trust.anybody);
    builder = if trust.authorities.is_empty() {
        builder.root_certs(RootCerts::PlatformVerifier)
    } else {
        // What cannot be read of the machine's own list, nobody needs who has a private authority.
        let own = rustls_native_certs::load_native_certs().certs;
        let own = own.iter().map(|der| Certificate::from_der(der).to_owned());
        let mut certificates: Vec<_> = own.collect();
        for pem in &trust.authorities {
            certificates.extend(certificates_of(pem)?);
        }
        builder.root_certs(RootCerts::from(certificates))
    };
    if let Some((chain, key)) = &trust.identity {
        let key = PrivateKey::from_pem(key).map_err(|e| format!("the key: {e}"))?;
        let chain = certificates_of(chain)?;
        builder = builder.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
    }
    Ok(builder.build())
}

fn certificates_of(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| e.to_string())? {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err("there is no certificate in PEM form in the file".to_owned());
    }
    Ok(found)
}

fn told(host: String, error: ureq::Error) -> TransportError {
    use ureq::Error;
    let lost = |host, reason: String| TransportError::Lost { host, reason };
    match error {
        Error::HostNotFound => TransportError::Unreachable {
            host,
            reason: "nobody knows the host of this name".to_owned(),
        },
        Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            let reason = "nobody answers".to_owned();
            TransportError::Unreachable { host, reason }
        }
        Error::Timeout(_) => lost(host, "it stood still for too long".to_owned()),
        Error::Rustls(error) => certificate(host, &error.to_string()),
        Error::Io(error) => {
            let text = error.to_string();
            if text.contains("certificate") || text.contains("UnknownIssuer") {
                return certificate(host, &text);
            }
            match error.kind() {
                io::ErrorKind::ConnectionRefused => TransportError::Unreachable {
                    host,
                    reason: "nobody listens there (connection refused)".to_owned(),
                },
                io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::NetworkDown
                | io::ErrorKind::AddrNotAvailable => {
                    TransportError::Unreachable { host, reason: text }
                }
                // The resolver's errors have no kind of their own.
                _ if text.contains("lookup address") => {
                    TransportError::Unreachable { host, reason: text }
                }
                io::ErrorKind::TimedOut => lost(host, "it stood still for too long".to_owned()),
                _ => lost(host, text),
            }
        }
        other => lost(host, other.to_string()),
    }
}

fn certificate(host: String, text: &str) -> TransportError {
    if text.contains("certificate") || text.contains("UnknownIssuer") {
        let reason = text.to_owned();
        return TransportError::Untrusted { host, reason };
    }
    // Trying again would not teach it.
    let reason = format!("it does not speak TLS as it should ({text})");
    TransportError::Unreachable { host, reason }
}
