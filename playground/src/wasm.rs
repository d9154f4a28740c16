//! The shell around the session: what a browser calls. Text goes in and comes out as JSON.

// What wasm-bindgen generates reads and writes the memory that it shares with the page.
#![allow(unsafe_code, missing_docs)]

use wasm_bindgen::prelude::wasm_bindgen;

use crate::session::Session;

/// A session, for JavaScript.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Engine {
    session: Session,
}

#[wasm_bindgen]
impl Engine {
    /// An empty session.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the page draws now, as JSON.
    pub fn view(&self) -> String {
        serde_json::to_string(&self.session.view()).unwrap_or_default()
    }
}
