//! The shell around the session: what a browser calls.
