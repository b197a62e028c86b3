//! `ckpt --json-schema COMMAND`: what each JSON output looks like, as JSON Schema.
//!
//! Another output gets a line in [`OUTPUTS`], and its own in `tests/labs/lab_schemas.rs`, where it is printed once.

use anyhow::{Result, bail};
use ckpt_core::dedup::PairReport;
use ckpt_core::diff::Difference;
use ckpt_core::doctor::Checkup;
use ckpt_core::inspect::{Inspection, LivingInspection};
use ckpt_core::lazy::Arrival;
#[cfg(feature = "images")]
use ckpt_core::pull::Description;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use crate::commands::{
    LayersJson, MatchJson, MemberJson, MemoryDifferenceJson, ProcessJson, PruneJson, SaveJson, VerifyJson,
};
use crate::copies::CopyJson;
use crate::messages::{print_line, print_text};
use crate::statistics::{CheckpointNumbers, RestoreNumbers, Statistics};

/// What a command prints.
struct Output {
    /// Its command, with the option that chooses among several outputs.
    command: &'static str,
    schema: fn() -> Schema,
}

const fn output<T: JsonSchema>(command: &'static str) -> Output {
    Output { command, schema: of::<T> }
}

/// All of them. Of `fork`, `restore --count` and `ls`, one object on each line.
const OUTPUTS: &[Output] = &[
    output::<Statistics<CheckpointNumbers>>("checkpoint"),
    output::<Statistics<RestoreNumbers>>("restore"),
    output::<CopyJson>("restore --count"),
    output::<CopyJson>("fork"),
    output::<Vec<SaveJson<'static>>>("history"),
    output::<PruneJson>("prune"),
    output::<Inspection>("inspect"),
    output::<LivingInspection>("inspect NAME"),
    #[cfg(feature = "images")]
    output::<Description>("inspect docker://"),
    output::<Vec<ProcessJson>>("mem"),
    output::<Vec<MatchJson>>("mem --search"),
    output::<Vec<Difference>>("diff"),
    output::<Vec<MemoryDifferenceJson>>("diff --memory"),
    output::<Vec<Difference>>("rootfs diff"),
    output::<LayersJson>("layers"),
    output::<Vec<Arrival>>("lazy"),
    output::<Vec<PairReport>>("dedup"),
    output::<Checkup>("doctor"),
    output::<MemberJson>("ls"),
    output::<VerifyJson>("verify"),
];

/// As it is printed: what is always there is required.
fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// The commands that have one.
pub(crate) fn commands() -> impl Iterator<Item = &'static str> {
    OUTPUTS.iter().map(|output| output.command)
}

/// Prints the schema of the command that these words say; without any, which commands have one.
pub(crate) fn print(words: &[String]) -> Result<()> {
    let wanted = words.join(" ");
    if wanted.is_empty() {
        return commands().try_for_each(print_line);
    }
    match OUTPUTS.iter().find(|output| output.command == wanted) {
        Some(output) => print_text(serde_json::to_string_pretty(&(output.schema)())?),
        None => bail!("`ckpt {wanted}` prints no JSON: `ckpt --json-schema` lists the commands that do"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_schema_says_what_is_required() {
        for output in OUTPUTS {
            let schema = (output.schema)();
            let schema = schema.as_value();
            let object = if schema["type"] == "array" { &schema["$defs"] } else { schema };
            assert!(object.to_string().contains("\"required\""), "{}: {schema}", output.command);
        }
    }
}
