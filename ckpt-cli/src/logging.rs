//! `--log-level` and `--log-format`: what is done meanwhile, on standard error.

use std::io::stderr;

use clap::{Args, ValueEnum};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::color;
use crate::headings::OF_ALL;

/// Our crates: what others log is not about containers.
const CRATES: [&str; 4] = ["ckpt", "aligntar", "layerfs", "criu_pages"];

/// What is logged, and how.
#[derive(Clone, Copy, Args)]
pub(crate) struct LogArguments {
    /// Log to standard error what is done: `info` has the phases and what came of them, `debug` each command of podman
    /// and how long it took
    #[arg(long, global = true, help_heading = OF_ALL, value_enum, value_name = "LEVEL", default_value_t = LogLevel::Off)]
    log_level: LogLevel,
    /// How to log it; `json` is one object on each line
    #[arg(long, global = true, help_heading = OF_ALL, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl LogArguments {
    /// Begins to log, if that is wanted.
    pub(crate) fn apply(self) {
        let level = match self.log_level {
            LogLevel::Off => return,
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        };
        let ours = Targets::new().with_targets(CRATES.map(|name| (name, level)));
        let lines = fmt::layer().with_writer(stderr).with_ansi(color::is_on_stderr());
        let lines = match self.log_format {
            LogFormat::Text => lines.boxed(),
            LogFormat::Json => lines.json().boxed(),
        };
        tracing_subscriber::registry().with(lines.with_filter(ours)).init();
    }
}

/// Whether anything is logged: then a bar would only be torn apart.
pub(crate) fn is_on() -> bool {
    LevelFilter::current() != LevelFilter::OFF
}
