//! A command's output on its way through us: to the caller's own streams, or as events.

use std::io::{self, PipeReader, Read, Write};

use crate::event::Event;

/// What the command writes to one of its streams, on its way through us.
pub(super) struct Output {
    /// 1 is standard output, 2 is standard error.
    stream: u8,
    pub pipe: PipeReader,
    pub open: bool,
    to: Destination,
    /// The beginning of a character whose end has not come yet.
    part: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    /// Events with text.
    Events,
    /// Our own stream of the same number.
    Stream,
}

impl Output {
    pub(super) fn new(stream: u8, pipe: PipeReader, to: Destination) -> Self {
        Self {
            stream,
            pipe,
            open: true,
            to,
            part: Vec::new(),
        }
    }

    /// Reads what has come and passes it on.
    pub(super) fn pass_on(&mut self, on: &mut dyn FnMut(Event)) {
        let mut bytes = [0; 8 << 10];
        let bytes = match self.pipe.read(&mut bytes) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return,
            Ok(count) if count > 0 => &bytes[..count],
            _ => {
                self.open = false;
                &[]
            }
        };
        match self.to {
            Destination::Events => {
                let text = self.text(bytes);
                if !text.is_empty() {
                    let stream = self.stream;
                    on(Event::Output { stream, text });
                }
            }
            // When nobody reads any more, the command goes on all the same.
            Destination::Stream if self.stream == 1 => {
                let mut out = io::stdout().lock();
                let _ = out.write_all(bytes).and_then(|()| out.flush());
            }
            Destination::Stream => {
                let _ = io::stderr().write_all(bytes);
            }
        }
    }

    /// The bytes as text, without a character that is cut off at the end; that waits for its
    /// rest. What is not UTF-8 becomes U+FFFD.
    fn text(&mut self, bytes: &[u8]) -> String {
        self.part.extend_from_slice(bytes);
        let whole = if self.open {
            whole_characters(&self.part)
        } else {
            self.part.len()
        };
        let rest = self.part.split_off(whole);
        let text = String::from_utf8_lossy(&self.part).into_owned();
        self.part = rest;
        text
    }
}

/// How many bytes there are without a character that is cut off at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    let tail = bytes.iter().rev().take(3);
    let Some(back) = tail.clone().position(|b| *b >= 0xc0) else {
        return bytes.len();
    };
    let start = bytes.len() - back - 1;
    match std::str::from_utf8(&bytes[start..]) {
        Err(e) if e.error_len().is_none() => start,
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_not_cut_inside_a_character() {
        let check = |pieces: &[&[u8]], expected: &[&str]| {
            let (reader, mut writer) = io::pipe().unwrap();
            let mut output = Output::new(2, reader, Destination::Events);
            let mut got = Vec::new();
            let mut on = |event| match event {
                Event::Output { stream: 2, text } => got.push(text),
                other => panic!("{other:?}"),
            };
            for piece in pieces {
                writer.write_all(piece).unwrap();
                output.pass_on(&mut on);
            }
            drop(writer);
            output.pass_on(&mut on);
            assert!(!output.open);
            assert_eq!(got, expected);
        };
        check(&[b"ab"], &["ab"]);
        check(&["é".as_bytes()], &["é"]);
        check(&[b"a\xc3", b"\xa9b"], &["a", "éb"]);
        check(&[b"\xf0\x9f", b"\x9a", b"\xa2"], &["\u{1f6a2}"]);
        check(&[b"\xff\xc3", b"\xa9"], &["\u{fffd}", "é"]);
        check(&[b"a\xc3"], &["a", "\u{fffd}"]);
        check(
            &[b"\x80\x80\x80\x80"],
            &["\u{fffd}\u{fffd}\u{fffd}\u{fffd}"],
        );
    }
}
