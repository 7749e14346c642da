//! What one machine does from the moment it is switched on until it starts from its own disk.

use std::sync::Arc;

use tokio::time::{Duration, Instant, sleep};

use crate::storm::client::{Question, ask};
use crate::storm::players::Storm;
use crate::storm::script::{Script, Step, resolved};
use crate::storm::tally::{Fault, Stage};

/// How long a machine asks for one thing, and goes from script to script, before it is given up.
const PATIENCE: Duration = Duration::from_mins(15);
/// How long it waits when there is no answer; twice as long each time, up to the second.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(20)];
/// How long it waits when it is told to come again and not when, in seconds.
const USUAL_RETRY: u64 = 5;
/// Where every machine begins.
const ENTRY: &str = "/boot/boot.ipxe";

/// Chance that is the same for the same seed (splitmix64).
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// Of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A part of a time, from none to all of it.
    pub fn part(&mut self, of: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        of.mul_f64(f64::from((mixed >> 33) as u32) / f64::from(1_u32 << 31))
    }
}

/// What a boot comes to.
enum Booted {
    /// The disk of the machine.
    Disk,
    /// A kernel with these arguments.
    Kernel(Vec<String>),
}

/// A machine's life.
#[derive(Debug)]
pub struct Life {
    storm: Arc<Storm>,
    index: usize,
    chance: Chance,
}

impl Life {
    /// Of the machine with this number.
    pub fn new(storm: Arc<Storm>, index: usize, chance: Chance) -> Self {
        Self { storm, index, chance }
    }

    /// Lives, and gives the number of the machine with why it did not get everything.
    pub async fn live(mut self) -> (usize, Result<(), Fault>) {
        let wait = self.chance.part(Duration::from_secs(self.storm.options.within));
        sleep(wait).await;
        (self.index, self.install().await)
    }

    async fn install(&mut self) -> Result<(), Fault> {
        let url = match self.boot(Stage::Script).await? {
            Booted::Disk => None,
            Booted::Kernel(arguments) => {
                arguments.iter().find_map(|argument| argument.strip_prefix("inst.ks=").map(str::to_owned))
            }
        };
        let Some(url) = url else {
            self.storm.tally.without_kickstart();
            return Ok(());
        };
        let path = resolved("/", &url, &self.storm.options.target.ours);
        let path = path.ok_or_else(|| Fault::new("a kickstart on another server", &url))?;
        self.kickstart(&path).await?;
        let Some((start, token)) = path.split_once(".ks?") else {
            return Err(Fault::new("a kickstart without a token", &path));
        };
        let report = |word: &str| format!("{start}/{word}?{token}");
        self.say(Stage::Progress, &report("progress"), "installation begins").await?;
        for index in 0..self.storm.options.files.len() {
            let file = self.storm.options.files[index].clone();
            self.get(Stage::File, &file).await?;
        }
        self.say(Stage::Progress, &report("progress"), "packages are installed").await?;
        self.say(Stage::Success, &report("success"), "done").await?;
        match self.boot(Stage::NextBoot).await? {
            Booted::Disk => Ok(()),
            Booted::Kernel(_) => Err(Fault::new("installs itself again", "after its success it was given a kernel")),
        }
    }

    /// Goes through scripts to what they start.
    async fn boot(&mut self, own: Stage) -> Result<Booted, Fault> {
        let until = Instant::now() + PATIENCE;
        let (mut stage, mut path) = (Stage::Entry, ENTRY.to_owned());
        let mut arguments = Vec::new();
        while Instant::now() < until {
            let text = self.get(stage, &path).await?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let is_busy = text.contains("\necho kgen: busy");
            let machine = &self.storm.options.machines[self.index];
            let settings = [
                ("netX/mac:hexhyp", machine.hardware.clone()),
                ("netX/mac", machine.hardware.replace('-', ":")),
                ("netX/ip", machine.ip.to_string()),
                ("platform", "pcbios".to_owned()),
            ];
            let mut script = Script::new(&text, settings).ok_or_else(|| Fault::new("no boot script", &path))?;
            let next = loop {
                match script.step() {
                    Step::Sleep(seconds) => {
                        if is_busy {
                            self.storm.tally.deferred(stage);
                        }
                        sleep(Duration::from_secs(seconds)).await;
                    }
                    Step::Chain(name) => break name,
                    Step::Kernel(name, given) => {
                        arguments = given;
                        self.boot_file(&path, &name).await?;
                    }
                    Step::Initrd(name) => self.boot_file(&path, &name).await?,
                    Step::Boot => return Ok(Booted::Kernel(arguments)),
                    Step::Disk => return Ok(Booted::Disk),
                    Step::End(why) => return Err(Fault::new("a script that leads nowhere", &format!("{path}: {why}"))),
                }
            };
            let ours = resolved(&path, &next, &self.storm.options.target.ours);
            path = ours.ok_or_else(|| Fault::new("a script on another server", &next))?;
            stage = if path == ENTRY { Stage::Entry } else { own };
        }
        Err(Fault::new("no script in time", &path))
    }

    /// A kernel or an initrd, if it is on this server.
    async fn boot_file(&mut self, script: &str, name: &str) -> Result<(), Fault> {
        match resolved(script, name, &self.storm.options.target.ours) {
            Some(path) => self.get(Stage::BootFile, &path).await.map(drop),
            None => Ok(()),
        }
    }

    /// The kickstart: of this host, whole, and of no generation that is older than what others have already.
    async fn kickstart(&mut self, path: &str) -> Result<(), Fault> {
        let newest = self.storm.tally.newest();
        let text = self.get(Stage::Kickstart, path).await?;
        let text = String::from_utf8_lossy(&text);
        let said = |key: &str| text.lines().take(16).find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        let host = said("# host: ");
        if host != self.storm.options.machines[self.index].name {
            return Err(Fault::new("the kickstart of another host", &format!("{path} is of `{host}`")));
        }
        let has_sections = text.lines().any(|line| line.starts_with("%post") || line.starts_with("%pre"));
        if !text.ends_with('\n') || has_sections && !text.trim_end().ends_with("%end") {
            return Err(Fault::new("a kickstart that is not whole", &format!("{path}: {} bytes", text.len())));
        }
        let generation = said("# generation: ");
        if self.storm.tally.number(generation) < newest {
            return Err(Fault::new("a kickstart of an older generation", &format!("{path}: {generation}")));
        }
        Ok(())
    }

    async fn get(&mut self, stage: Stage, path: &str) -> Result<Vec<u8>, Fault> {
        self.ask(stage, Question { method: "GET", path, body: "" }).await
    }

    async fn say(&mut self, stage: Stage, path: &str, body: &str) -> Result<(), Fault> {
        self.ask(stage, Question { method: "POST", path, body }).await.map(drop)
    }

    /// Asks until there is an answer.
    async fn ask(&mut self, stage: Stage, question: Question<'_>) -> Result<Vec<u8>, Fault> {
        let storm = Arc::clone(&self.storm);
        let (from, forwarded) = (storm.options.machines[self.index].ip, storm.options.forwarded);
        let until = Instant::now() + PATIENCE;
        let mut pause = PAUSES[0];
        while Instant::now() < until {
            let room = storm.room.acquire().await;
            let started = Instant::now();
            let answer = ask(&storm.options.target, from, forwarded, question).await;
            drop(room);
            match answer {
                Ok(answer) if answer.status == 503 => {
                    storm.tally.deferred(stage);
                    sleep(Duration::from_secs(answer.retry_after.unwrap_or(USUAL_RETRY))).await;
                }
                Ok(answer) if answer.status == 200 => {
                    storm.tally.answered(stage, started.elapsed(), answer.bytes);
                    return Ok(answer.kept);
                }
                Ok(answer) => {
                    let said = String::from_utf8_lossy(&answer.kept).trim().chars().take(100).collect::<String>();
                    let path = question.path.split('?').next().unwrap_or_default();
                    return Err(Fault::new("refused", &format!("{path}: {} {said}", answer.status)));
                }
                Err(why) => {
                    storm.tally.retried(stage, why);
                    sleep(pause / 2 + self.chance.part(pause)).await;
                    pause = (pause * 2).min(PAUSES[1]);
                }
            }
        }
        Err(Fault::new("no answer in time", question.path.split('?').next().unwrap_or_default()))
    }
}
