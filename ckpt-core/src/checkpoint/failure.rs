//! Has the container run again after a failure, and tells what became of it.

use super::init::Init;
use super::{AfterDumpState, CheckpointError, CheckpointOptions, DumpError};
use crate::engine::{ContainerFacts, Engine, EngineError};

/// Puts things right after a failure, and says how they stand with the container `id`, whose first process was `init`.
/// `dumped` is whether CRIU was told to carry on.
pub(super) fn after_failure(
    engine: &dyn Engine,
    (id, init): (&str, &Init),
    options: &CheckpointOptions,
    dumped: bool,
    source: DumpError,
) -> CheckpointError {
    let (name, source) = (options.container.clone(), Box::new(source));
    // CRIU or podman may have failed before the tasks ended.
    match (init.is_alive(), dumped) {
        (true, false) => CheckpointError::Dump { name, source },
        (true, true) => CheckpointError::AfterDump { name, state: AfterDumpState::LeftRunning, source },
        (false, true) => CheckpointError::AfterDump { name, state: brought_back(engine, id, init, options), source },
        (false, false) => CheckpointError::Ended { name, state: ended(engine, id, init), source },
    }
}

/// Its images are in its bundle.
fn brought_back(engine: &dyn Engine, id: &str, init: &Init, options: &CheckpointOptions) -> AfterDumpState {
    match engine.inspect(id) {
        Ok(facts) if is_another(&facts, init) => return AfterDumpState::StartedAnew,
        Ok(_) if options.keep_stopped => return AfterDumpState::KeptStopped { id: id.to_owned() },
        _ => {}
    }
    match engine.restore_in_place(id, options.along()) {
        Ok(()) => AfterDumpState::Restored,
        Err(why) => match engine.inspect(id) {
            // Its restart policy was faster.
            Ok(facts) if is_another(&facts, init) => AfterDumpState::StartedAnew,
            Err(EngineError::UnknownContainer { .. }) => AfterDumpState::Lost { why: Box::new(why) },
            _ => AfterDumpState::Stopped { id: id.to_owned(), why: Box::new(why) },
        },
    }
}

/// It ended, for whatever reason, and nothing of this checkpoint can bring it back.
fn ended(engine: &dyn Engine, id: &str, init: &Init) -> AfterDumpState {
    match engine.inspect(id) {
        Ok(facts) if is_another(&facts, init) => AfterDumpState::StartedAnew,
        _ => AfterDumpState::Ended,
    }
}

/// Whether the container runs, with another first process than `init`, which has ended.
fn is_another(facts: &ContainerFacts, init: &Init) -> bool {
    matches!(&facts.state.status[..], "running" | "paused") && facts.state.pid != init.pid()
}
