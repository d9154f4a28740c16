//! Builds: a plan, a key for every step, a cache that says why, and an executor for RUN.
