//! Every level is replayed: its start, its solution, its wrong answers.
