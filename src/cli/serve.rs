//! `kgen serve`: machines get what they boot and install from.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use tracing_subscriber::filter::LevelFilter;

use crate::cli::args::server::{BrakeWord, LogFormat, Serve, TokenToWord};
use crate::cli::locate;
use crate::cli::session::{Failure, Session, secret_of_environment};
use crate::inventory::serve::{Brake, TokenTo};
use crate::server::making::{Making, Overrides};
use crate::server::{Options, Stopped, serve};
use crate::source::revision::Origin;

/// Serves until it is told to stop.
pub fn run(session: &Session, arguments: &Serve) -> Result<(), Failure> {
    log(arguments);
    let copy = arguments.state.join("source.git");
    let (origin, beside) = locate::origin(&session.options, Some(copy))?;
    let is_in_git = matches!(origin, Origin::Repository { .. });
    // What is in no repository lies beside the state, where there is no working directory.
    let directory = match (&session.options.local, is_in_git) {
        (None, true) => arguments.state.clone(),
        _ => beside,
    };
    let options = Options {
        making: Making {
            origin,
            directory,
            secret: secret_of_environment,
            allows_eval: arguments.allow_eval,
            overrides: overrides(arguments),
            keeps_reports: Arc::default(),
        },
        state: arguments.state.clone(),
        socket: arguments.socket.clone().unwrap_or_else(|| PathBuf::from(&arguments.state).join("kgen.sock")),
        connections: arguments.connections,
        follow: arguments.follow,
    };
    serve(options).map_err(|stopped| match stopped {
        Stopped::Broken(report) => {
            // Told as `kgen check` tells it.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), report.as_bytes());
            Failure::Faults
        }
        Stopped::World(fault) => Failure::World(fault),
    })
}

/// What flags say instead of the inventory.
fn overrides(arguments: &Serve) -> Overrides {
    let guards = &arguments.guards;
    Overrides {
        listen: arguments.listen.clone(),
        arm_at_most: guards.arm_at_most,
        install_new: guards.install_new,
        brake: guards.brake.map(|brake| match brake {
            BrakeWord::Warn => Brake::Warn,
            BrakeWord::Enforce => Brake::Enforce,
        }),
        token_to: guards.token_to.map(|to| match to {
            TokenToWord::Host => TokenTo::Host,
            TokenToWord::Network => TokenTo::Network,
        }),
        operators: guards.operator.clone(),
        trusted_proxies: guards.trusted_proxy.clone(),
    }
}

/// The log goes to where errors go; journald puts the time to it itself.
fn log(arguments: &Serve) {
    let level = if arguments.verbose { LevelFilter::DEBUG } else { LevelFilter::INFO };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    let by_journald = std::env::var_os("JOURNAL_STREAM").is_some();
    match arguments.log_format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text if by_journald => builder.without_time().with_ansi(false).init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
    }
}
