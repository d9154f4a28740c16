//! A session: a log of commands, and the state that is its fold.

use crate::view::View;

/// One person's visit.
#[derive(Debug, Default)]
pub struct Session {}

impl Session {
    /// What the page draws now.
    pub fn view(&self) -> View {
        View {
            status: String::new(),
        }
    }
}
