//! One copy, from its request to the moment at which it is ready.

use std::time::Instant;

use jiff::Timestamp;

use super::options::CopiesOptions;
use super::ports;
use super::progress::ReadyCopy;
use super::requests::Request;
use crate::engine::EngineError;
use crate::host::niceness::Patience;
use crate::host::programs::ProgramError;
use crate::progress::Progress;
use crate::restore::announcement::Announcement;
use crate::restore::error::{RestoreError, RunError};
use crate::restore::plan::RestorePlan;
use crate::restore::prepared::Prepared;
use crate::restore::run::Run;

/// Makes it; what a failed one had made is removed again. Until its processes run, a patient one lets others go first.
pub(super) fn make(
    prepared: &Prepared,
    copies: &CopiesOptions,
    (request, is_patient): (&Request, bool),
    progress: &mut dyn Progress,
) -> Result<ReadyCopy, RestoreError> {
    let started = Instant::now();
    let Request { number, name, options, volumes } = request;
    let mut plan = RestorePlan::make(prepared, options, volumes.clone(), progress)?;
    if copies.announce {
        plan.announcement = Some(announcement(&plan, request));
    }
    let mut run = Run::new(&plan, options, progress);
    let patience = is_patient.then(Patience::begin);
    let ran = run.run();
    // What the caller has executed in the container is as urgent as ever.
    drop(patience);
    let done = ran.and_then(|_statistics| exec(prepared, copies, request, &plan.id));
    if let Err(source) = done {
        run.undo();
        return Err(RestoreError::Run { path: options.import.name().to_owned(), source: Box::new(source) });
    }
    run.done();
    let moved = run.moved;
    let ports = match options.publish.is_empty() {
        true => Vec::new(),
        false => {
            prepared.undoing_engine.inspect(&plan.id).map(|facts| ports::published(&facts)).unwrap_or_else(|error| {
                progress.warning(&format!("podman does not say which ports it publishes: {error}"));
                Vec::new()
            })
        }
    };
    Ok(ReadyCopy { number: *number, name: name.clone(), id: plan.id.clone(), ports, elapsed: started.elapsed(), moved })
}

fn announcement(plan: &RestorePlan<'_>, Request { number, name, options, .. }: &Request) -> Vec<u8> {
    // A container knows no current folder of ours.
    let archive = options.import.path().and_then(|path| std::path::absolute(path).ok());
    let time = Timestamp::now().to_string();
    let announcement = Announcement { name, number: *number, id: &plan.id, archive: archive.as_deref(), time };
    serde_json::to_vec(&announcement).expect("strings and a number are JSON")
}

/// The caller's command. Its copy is no ready one yet: what fails here is undone as the rest.
fn exec(prepared: &Prepared, copies: &CopiesOptions, request: &Request, id: &str) -> Result<(), RunError> {
    let Some(command) = &copies.exec else { return Ok(()) };
    let environment = [("CKPT_NAME", request.name.clone()), ("CKPT_NUMBER", request.number.to_string())];
    match prepared.engine.exec(id, &environment, command) {
        Err(EngineError::External(ProgramError::Interrupted { .. })) => Err(RunError::Interrupted),
        done => done.map_err(RunError::Exec),
    }
}
