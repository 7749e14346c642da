//! An operator who asks all the time which machines are stuck, and who orders installations between rounds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::{Duration, Instant, sleep};

use crate::storm::client::{Question, ask_socket};
use crate::storm::tally::{OperatorReport, times};

/// How long from one question to the next.
const PAUSE: Duration = Duration::from_millis(50);
/// What is asked.
const PATH: &str = "/api/v1/hosts?state=stuck";

/// What an operator saw.
#[derive(Debug, Default)]
pub struct Asked {
    times: Vec<Duration>,
    failed: usize,
}

impl Asked {
    /// In short.
    pub fn report(&self) -> OperatorReport {
        OperatorReport { answered: self.times.len(), failed: self.failed, milliseconds: times(&self.times) }
    }
}

/// Asks until it is stopped.
pub async fn ask(socket: PathBuf, asked: Arc<Mutex<Asked>>) {
    loop {
        let started = Instant::now();
        let answer = ask_socket(&socket, Question { method: "GET", path: PATH, body: "" }).await;
        let mut asked = asked.lock().await;
        match answer {
            Ok(answer) if answer.status == 200 => asked.times.push(started.elapsed()),
            _ => asked.failed += 1,
        }
        drop(asked);
        sleep(PAUSE).await;
    }
}

/// Orders that machines install themselves at their next boot.
///
/// # Errors
/// A sentence: they will not.
pub async fn order_install(socket: &Path, names: impl Iterator<Item = &str>) -> Result<(), String> {
    let order = serde_json::json!({ "hosts": names.collect::<Vec<_>>(), "action": "install" }).to_string();
    let question = Question { method: "POST", path: "/api/v1/boot", body: &order };
    let answer = ask_socket(socket, question).await.map_err(|fault| format!("{}: {fault}", socket.display()))?;
    let said = String::from_utf8_lossy(&answer.kept);
    if answer.status == 200 { Ok(()) } else { Err(format!("the server does not take the order: {}", said.trim())) }
}
