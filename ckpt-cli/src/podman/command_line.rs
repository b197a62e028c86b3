//! podman's command lines, for names and paths of any bytes.

use std::ffi::OsString;

#[derive(Clone)]
pub(crate) struct CommandLine(Vec<OsString>);

impl CommandLine {
    /// `podman container VERB`.
    pub(crate) fn container(verb: &str) -> Self {
        CommandLine(vec!["container".into(), verb.into()])
    }

    /// Adds those of the switches that were given.
    pub(crate) fn switches(mut self, switches: &[(bool, &str)]) -> Self {
        self.0.extend(switches.iter().filter(|(given, _)| *given).map(|(_, switch)| switch.into()));
        self
    }

    /// Adds `--OPTION=VALUE` for each value.
    pub(crate) fn values<V: Into<OsString>>(mut self, option: &str, values: impl IntoIterator<Item = V>) -> Self {
        for value in values {
            let mut word = OsString::from(format!("--{option}="));
            word.push(value.into());
            self.0.push(word);
        }
        self
    }

    /// Adds what the command is about, behind all options.
    pub(crate) fn operands(mut self, operands: &[String]) -> Self {
        self.0.push("--".into());
        self.0.extend(operands.iter().map(OsString::from));
        self
    }

    pub(super) fn words(&self) -> &[OsString] {
        &self.0
    }
}
