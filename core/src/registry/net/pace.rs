//! A pace that a client has to keep: who reads or writes too slowly is cut off.
//!
//! A limit on the whole of a transfer would hit honest people with slow lines, and a limit on
//! silence alone lets somebody hold a connection for ever with a byte now and then. So in each
//! span of time in which we wait for the other side, some bytes have to move.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How many bytes have to move in a span.
const LEAST: usize = 4 << 10;

/// Counts what moves.
#[derive(Debug)]
pub(super) struct Pace {
    span: Duration,
    /// The end of the span; `None` while nobody waits.
    end: Option<Pin<Box<Sleep>>>,
    moved: usize,
}

impl Pace {
    pub(super) fn new(span: Duration) -> Self {
        Self {
            span,
            end: None,
            moved: 0,
        }
    }

    /// Bytes have moved.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.moved += bytes;
        if self.moved >= LEAST {
            self.moved = 0;
            self.end = None;
        }
    }

    /// The other side keeps us waiting. Ready when that has been too long.
    pub(super) fn waits(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let span = self.span;
        let end = self.end.get_or_insert_with(|| Box::pin(sleep(span)));
        ready!(end.as_mut().poll(cx));
        end.as_mut().reset(Instant::now() + span);
        let message = format!(
            "fewer than {LEAST} bytes moved in {} seconds",
            span.as_secs()
        );
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, message))
    }
}

/// A stream whose reader on the other side has to keep the pace. How long its writer may take
/// depends on what is being said, so that is not decided here.
#[derive(Debug)]
pub(super) struct Paced<S> {
    stream: S,
    pace: Pace,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, span: Duration) -> Self {
        Self {
            stream,
            pace: Pace::new(span),
        }
    }

    fn watch(
        &mut self,
        result: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Pending => self.pace.waits(cx).map(Err),
            Poll::Ready(Ok(count)) => {
                self.pace.moved(count);
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Pending => self.pace.waits(cx).map(Err),
            done @ Poll::Ready(_) => done,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(cx) {
            Poll::Pending => self.pace.waits(cx).map(Err),
            done @ Poll::Ready(_) => done,
        }
    }
}
