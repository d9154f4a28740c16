//! End-to-end, golden, hostile and twin tests; what they share.
