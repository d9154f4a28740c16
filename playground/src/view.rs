//! What the page draws: plain values, made anew by every call.

use serde::Serialize;

/// Everything that is seen at once.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct View {
    /// One sentence about what has just happened, for those who do not see the page.
    pub status: String,
}
