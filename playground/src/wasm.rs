//! The shell around the session: what a browser calls. Text goes in and comes out as JSON.

// What wasm-bindgen generates reads and writes the memory that it shares with the page.
#![allow(unsafe_code, missing_docs)]

use std::cell::RefCell;
use std::io::{self, BufReader, BufWriter, Read, Write};

use coracle::store::archive::Format;
use js_sys::{Function, Uint8Array};
use serde::Serialize;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use crate::look::{Look, Seen, look};
use crate::session::Session;

/// A session, for JavaScript.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Engine {
    session: Session,
}

#[wasm_bindgen]
impl Engine {
    #[wasm_bindgen(constructor)]
    #[allow(clippy::new_without_default)] // JavaScript knows no default
    pub fn new() -> Self {
        Self {
            session: Session::first(),
        }
    }

    pub fn view(&mut self) -> String {
        json(&self.session.view())
    }

    pub fn run(&mut self, script: &str) -> String {
        self.session.run(script);
        self.view()
    }

    pub fn write(&mut self, path: &str, text: &str) -> String {
        self.session.write(path, text);
        self.view()
    }

    pub fn undo(&mut self) -> String {
        self.session.undo();
        self.view()
    }

    pub fn redo(&mut self) -> String {
        self.session.redo();
        self.view()
    }

    pub fn go(&mut self, position: usize) -> String {
        self.session.go(position);
        self.view()
    }

    pub fn look(&mut self, wanted: &str) -> String {
        let seen = match serde_json::from_str::<Look>(wanted) {
            Ok(wanted) => look(&mut self.session, &wanted),
            Err(error) => Seen::Nothing {
                why: error.to_string(),
            },
        };
        json(&seen)
    }

    pub fn log(&self) -> String {
        self.session.log()
    }

    pub fn open(&mut self, log: &str) -> String {
        self.session.open(log);
        self.view()
    }

    pub fn share(&self) -> String {
        self.session.share().unwrap_or_default()
    }

    pub fn unshare(&mut self, fragment: &str) -> String {
        self.session.unshare(fragment);
        self.view()
    }

    pub fn load(&mut self, name: &str, size: f64, read: Function) -> String {
        self.session.load(name, Slices::of(size, read));
        self.view()
    }

    pub fn save(&self, reference: &str, format: &str, gzip: bool, write: &Function) -> String {
        let format = match format {
            "oci" => Format::Oci,
            _ => Format::Docker,
        };
        let saved = self.session.save(
            reference,
            format,
            gzip,
            BufWriter::with_capacity(SLICE, Sink(write)),
        );
        json(&serde_json::json!({ "error": saved.err() }))
    }

    pub fn level(&mut self, id: &str) -> String {
        self.session.play(id);
        self.view()
    }
}

/// So many bytes go over to JavaScript and back at once.
const SLICE: usize = 1 << 20;

thread_local! {
    /// Gives bytes of the file that is being loaded: `(offset, length) => Uint8Array`. It stands
    /// here because a reader may be sent to other threads, of which a browser has none.
    static READ: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// A file that is read slice by slice.
struct Slices {
    at: f64,
    size: f64,
}

impl Slices {
    fn of(size: f64, read: Function) -> BufReader<Self> {
        READ.set(Some(read));
        BufReader::with_capacity(SLICE, Self { at: 0.0, size })
    }
}

impl Read for Slices {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[allow(clippy::cast_precision_loss)] // a slice is small
        let length = (buffer.len() as f64).min(self.size - self.at);
        if length <= 0.0 {
            return Ok(0);
        }
        let answer = READ.with_borrow(|read| {
            let read = read
                .as_ref()
                .ok_or_else(|| io::Error::other("nothing is being read"))?;
            read.call2(&JsValue::NULL, &self.at.into(), &length.into())
                .map_err(|error| {
                    io::Error::other(format!("the file cannot be read any more: {error:?}"))
                })
        })?;
        let bytes = Uint8Array::new(&answer);
        let count = (bytes.length() as usize).min(buffer.len());
        bytes
            .subarray(0, count as u32)
            .copy_to(&mut buffer[..count]);
        self.at += f64::from(count as u32);
        Ok(count)
    }
}

/// A function that takes bytes.
struct Sink<'a>(&'a Function);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let copy = Uint8Array::from(bytes);
        self.0
            .call1(&JsValue::NULL, &copy)
            .map_err(|error| io::Error::other(format!("the page does not take more: {error:?}")))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
