//! A session: a log of commands, and the state that is its fold.
