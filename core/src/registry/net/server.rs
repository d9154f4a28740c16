//! The registry on a socket. hyper speaks HTTP, tokio waits for many connections at once, rustls
//! encrypts; each request is answered by the function on a thread of its own.
//!
//! A request's body goes through a short channel from the connection to the thread, and the
//! response's body the other way, so neither is ever in memory as a whole. Whoever is slow slows
//! only their own thread down, and is cut off when they do not keep a certain pace.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, Read};
use std::net::TcpListener;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto::ring};

use super::pace::{Pace, Paced};
use crate::registry::http::{Body, Request, Response};
use crate::registry::server::Server;

/// What a client may take of the server, and how long.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many connections are served at once; more wait until one of them ends.
    pub connections: usize,
    /// How large a request's head may be, in bytes.
    pub head: usize,
    /// How long a client may take to say the head of a request, or nothing between two, and to
    /// agree on TLS.
    pub quiet: Duration,
    /// In each span of this length, a client that sends or takes a body has to move 4 KiB.
    pub pace: Duration,
    /// How long a stopped server waits for what is under way.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head: 32 << 10,
            quiet: Duration::from_secs(30),
            pace: Duration::from_secs(30),
            farewell: Duration::from_mins(5),
        }
    }
}

/// A certificate with its key, ready for connections.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

impl Tls {
    /// Reads a certificate, with those that vouch for it behind it, and its private key; both PEM.
    /// The error is a sentence that names the file.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, String> {
        let said = |path: &Path, error: &dyn std::fmt::Display| {
            format!("{}: {error}; a PEM file is expected", path.display())
        };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|e| said(certificate, &e))?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|e| said(key, &e))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(|e| format!("{}: {e}", certificate.display()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

/// Ends a server from another thread.
#[derive(Debug)]
pub struct Stop(watch::Sender<bool>);

/// The other end of [`Stop`], which the server watches.
#[derive(Debug)]
pub struct Stopped(watch::Receiver<bool>);

/// What ends a server, and what the server looks at.
pub fn stop() -> (Stop, Stopped) {
    let (sender, receiver) = watch::channel(false);
    (Stop(sender), Stopped(receiver))
}

impl Stop {
    /// No new connection is taken; what is under way is finished.
    pub fn now(&self) {
        // Nobody may be there to hear it any more.
        let _ = self.0.send(true);
    }
}

/// Serves until it is stopped. Returns whether everything that was under way has been finished.
pub fn serve(
    server: &Arc<Server>,
    listener: TcpListener,
    tls: Option<Tls>,
    limits: &Limits,
    stopped: Stopped,
) -> io::Result<bool> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(limits.connections)
        .thread_stack_size(512 << 10)
        .enable_all()
        .build()?;
    let finished = runtime.block_on(accept(server, listener, tls, limits, stopped))?;
    // A thread that waits for a disk does not keep the program from ending.
    runtime.shutdown_background();
    Ok(finished)
}

async fn accept(
    server: &Arc<Server>,
    listener: TcpListener,
    tls: Option<Tls>,
    limits: &Limits,
    Stopped(mut stopped): Stopped,
) -> io::Result<bool> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let acceptor = tls.map(|Tls(config)| TlsAcceptor::from(config));
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut stop = pin!(async move {
        // The sender may be gone without a word: then nobody will ever stop it.
        if stopped.wait_for(|stopped| *stopped).await.is_err() {
            std::future::pending::<()>().await;
        }
    });
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            () = &mut stop => break,
            next = next => next,
        };
        let Ok((stream, _)) = accepted else {
            // No file descriptor is left, or the client is gone already; connections end.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Small answers must not wait for more to come.
        let _ = stream.set_nodelay(true);
        let (server, limits) = (Arc::clone(server), limits.clone());
        let (acceptor, watcher) = (acceptor.clone(), graceful.watcher());
        tokio::spawn(async move {
            let stream = Paced::new(stream, limits.pace);
            match acceptor {
                None => connection(stream, server, &limits, watcher).await,
                Some(acceptor) => {
                    if let Ok(Ok(stream)) = timeout(limits.quiet, acceptor.accept(stream)).await {
                        connection(stream, server, &limits, watcher).await;
                    }
                }
            }
            drop(permit);
        });
    }
    drop(listener);
    Ok(timeout(limits.farewell, graceful.shutdown()).await.is_ok())
}

/// Serves one connection to its end. What goes wrong on it is the client's loss, and it knows.
async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    server: Arc<Server>,
    limits: &Limits,
    watcher: Watcher,
) {
    let pace = limits.pace;
    let service = service_fn(move |request| {
        let server = Arc::clone(&server);
        async move { Ok::<_, Infallible>(answer(server, request, pace).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // A client may say that it has said everything, and still wait for the answer.
        .half_close(true)
        .header_read_timeout(limits.quiet)
        .max_header_size(limits.head)
        .max_buf_size(limits.head.max(64 << 10))
        .serve_connection(TokioIo::new(stream), service);
    let _ = watcher.watch(connection).await;
}

/// Hands a request to the function, and its response back.
async fn answer(
    server: Arc<Server>,
    request: hyper::Request<Incoming>,
    pace: Duration,
) -> hyper::Response<Outgoing> {
    let (head, body) = request.into_parts();
    let length = body.size_hint().exact();
    let body = if body.is_end_stream() {
        Body::empty()
    } else {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(take_in(body, sender, pace));
        let piece = Bytes::new();
        Body::new(Arriving { receiver, piece }, length)
    };
    let (say_head, heard_head) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let response = server.handle(Request::from_parts(head, body));
        give_out(response, say_head);
    });
    // The function always answers; whoever is here without an answer has seen it panic.
    heard_head.await.unwrap_or_else(|_| {
        let mut broken = hyper::Response::new(Outgoing(None));
        *broken.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        broken
    })
}

/// The bytes that are read of a request after it has been answered already, so that the client
/// gets to read the answer: until a connection's input is read, its end may destroy the output.
const LEFT_OVER: usize = 16 << 20;

/// Brings a request's body from the connection to the thread that answers.
async fn take_in(mut body: Incoming, sender: mpsc::Sender<io::Result<Bytes>>, span: Duration) {
    let mut pace = Pace::new(span);
    let mut left_over = 0;
    loop {
        let next = poll_fn(|cx| match Pin::new(&mut body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame.into_data()))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(io::Error::other(error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => pace.waits(cx).map(|error| Some(Err(error))),
        });
        match next.await {
            None => return,
            // Trailers say nothing that a registry wants to know.
            Some(Ok(Err(_))) => {}
            Some(Ok(Ok(bytes))) => {
                pace.moved(bytes.len());
                let count = bytes.len();
                if sender.send(Ok(bytes)).await.is_err() {
                    left_over += count;
                    if left_over > LEFT_OVER {
                        return;
                    }
                }
            }
            Some(Err(error)) => {
                let _ = sender.send(Err(error)).await;
                return;
            }
        }
    }
}

/// A request's body, read by the thread that answers.
struct Arriving {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    /// What has come and has not been read.
    piece: Bytes,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let count = self.piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.piece[..count]);
        self.piece.advance(count);
        Ok(count)
    }
}

/// How much of a response's body is read at once, in bytes. Up to three such pieces are on their
/// way for each client.
const PIECE: usize = 32 << 10;

/// Says the head of a response, then reads its body for as long as somebody takes it.
fn give_out(response: Response, say_head: oneshot::Sender<hyper::Response<Outgoing>>) {
    let (head, mut body) = response.into_parts();
    let (sender, receiver) = mpsc::channel(1);
    let outgoing = hyper::Response::from_parts(head, Outgoing(Some(receiver)));
    if say_head.send(outgoing).is_err() {
        return;
    }
    loop {
        let mut piece = vec![0; PIECE];
        let next = match body.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => {
                piece.truncate(count);
                Ok(Bytes::from(piece))
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = next.is_err();
        if sender.blocking_send(next).is_err() || failed {
            return;
        }
    }
}

/// A response's body, taken by the connection. It ends with an error when its reader does, and
/// then the connection is cut: the client sees that bytes are missing.
struct Outgoing(Option<mpsc::Receiver<io::Result<Bytes>>>);

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.0 {
            None => Poll::Ready(None),
            Some(receiver) => {
                let piece = receiver.poll_recv(cx);
                piece.map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
