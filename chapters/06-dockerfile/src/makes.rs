//! What a step leaves behind.

use crate::Instruction;

// ANCHOR: makes
/// What a step leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Makes {
    /// Nothing of its own: it says where to begin.
    Beginning,
    /// A layer: files changed.
    Layer,
    /// A change of the config alone.
    Config,
}

/// What an instruction makes.
pub fn makes(instruction: &Instruction) -> Makes {
    // TASK 5: Who changes files makes a layer; who says how to run changes the config.
    match instruction {
        Instruction::From { .. } => Makes::Beginning,
        Instruction::Run(_) | Instruction::Copy { .. } | Instruction::Workdir(_) => Makes::Layer,
        Instruction::Cmd(_)
        | Instruction::Entrypoint(_)
        | Instruction::Env(_)
        | Instruction::Label(_)
        | Instruction::User(_)
        | Instruction::Expose(_) => Makes::Config,
    }
    // TASK_END
}
// ANCHOR_END: makes
