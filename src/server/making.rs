//! One revision to a generation that is ready to be served: read, compiled, checked as a whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::assemble::{Assembled, Means, assemble, reach};
use crate::boot::Handing;
use crate::diagnostic::{Diagnostics, Severity, to_text};
use crate::eval;
use crate::expand::Program;
use crate::inventory::guards::Guards;
use crate::inventory::serve::{AtMost, Brake, Serve, TokenTo};
use crate::inventory::subnet::Subnet;
use crate::server::snapshot::{Broken, Served};
use crate::source::Sources;
use crate::source::error::SourceError;
use crate::source::git::{descends, is_bare};
use crate::source::revision::{Origin, Revision};
use crate::store::clock::wall;

/// The longest report of a broken revision, in bytes.
const LONGEST_REPORT: usize = 64 << 10;

/// What a revision is made into a generation with.
#[derive(Clone, Debug)]
pub struct Making {
    /// Where revisions come from.
    pub origin: Origin,
    /// What paths of the inventory are relative to.
    pub directory: PathBuf,
    /// The text of a secret that is given elsewhere than in a file.
    pub secret: fn(&str) -> Option<String>,
    /// Whether `<eval>` may run programs.
    pub allows_eval: bool,
    /// What flags say instead of the inventory.
    pub overrides: Overrides,
    /// Whether kickstarts report whatever the inventory says: a commit does not end that by itself.
    pub keeps_reports: Arc<AtomicBool>,
}

/// Flags that win over the inventory.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Where machines are listened to.
    pub listen: Vec<std::net::SocketAddr>,
    /// How many installed hosts one commit may arm.
    pub arm_at_most: Option<AtMost>,
    /// Whether new machines of a commit are armed by it.
    pub install_new: Option<bool>,
    /// How an order for many hosts without a confirmation is treated.
    pub brake: Option<Brake>,
    /// Who gets the token of a build with a boot script.
    pub token_to: Option<TokenTo>,
    /// The operators, with the SHA-256 of their tokens.
    pub operators: Vec<(String, String)>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Subnet>,
}

impl Overrides {
    /// The settings of an inventory with the flags over them.
    pub fn over(&self, serve: Option<&Serve>) -> Serve {
        let mut serve = serve.cloned().unwrap_or_default();
        if !self.listen.is_empty() {
            serve.listen.clone_from(&self.listen);
        }
        serve.arm_at_most = self.arm_at_most.unwrap_or(serve.arm_at_most);
        serve.brake = self.brake.unwrap_or(serve.brake);
        serve.token_to = self.token_to.unwrap_or(serve.token_to);
        if !self.operators.is_empty() {
            serve.operators = self.operators.iter().cloned().collect();
        }
        if !self.trusted_proxies.is_empty() {
            serve.trusted_proxies.clone_from(&self.trusted_proxies);
        }
        serve
    }
}

impl Overrides {
    /// Guards with the flags over them.
    pub fn over_guards(&self, guards: Guards) -> Guards {
        let mut serve = Serve::default();
        guards.put_into(&mut serve);
        let serve = self.over(Some(&serve));
        Guards {
            install_new: self.install_new.unwrap_or(guards.install_new),
            arm_at_most: serve.arm_at_most,
            brake: serve.brake,
            token_to: serve.token_to,
            operators: serve.operators,
            trusted_proxies: serve.trusted_proxies.iter().map(ToString::to_string).collect(),
            ..guards
        }
    }
}

fn refuses_programs(_: &Program) -> Result<String, String> {
    Err("is not run: the server runs programs of a description only with --allow-eval".to_owned())
}

impl Making {
    /// Makes a generation.
    ///
    /// # Errors
    /// It is broken: the report.
    pub fn make(&self, revision: &Revision) -> Result<Served, Broken> {
        self.compiled(revision).map_err(|broken| Broken { report: self.without_our_paths(&broken.report), ..broken })
    }

    /// Anybody may see a report: paths are those of the site, not of this machine.
    fn without_our_paths(&self, report: &str) -> String {
        let beside = match &self.origin {
            Origin::Directory(file) => file.parent().unwrap_or(Path::new("")),
            Origin::Repository { repository, url: None, .. } => repository,
            Origin::Repository { .. } => &self.directory,
        };
        [beside, &self.directory].into_iter().map(|path| path.display().to_string()).fold(
            report.to_owned(),
            |report, path| {
                let path = path.trim_end_matches('/');
                if path.len() > 1 { report.replace(&format!("{path}/"), "").replace(path, "the site") } else { report }
            },
        )
    }

    fn compiled(&self, revision: &Revision) -> Result<Served, Broken> {
        let broken = |report: String| Broken {
            is_unreachable: false,
            revision: revision.commit().unwrap_or_default().to_owned(),
            report,
            at: wall(),
        };
        let means = Means {
            directory: &self.directory,
            secret: &self.secret,
            runner: if self.allows_eval { &eval::run } else { &refuses_programs },
            handing: Handing::Server,
            reach: reach(revision, true),
            keeps_reports: self.keeps_reports.load(Ordering::Relaxed),
        };
        let (mut sources, mut found) = (Arc::new(Sources::default()), Diagnostics::default());
        let assembled = assemble(revision, means, &mut sources, &mut found);
        let assembled = assembled.map_err(|error| broken(error.to_string()))?;
        match assembled.filter(|_| !found.has_errors()) {
            Some(assembled) if assembled.plan.is_none() => Err(broken(
                "error: [site] has no `server`: the URL where machines reach this server, such as `http://10.1.1.1:8080`\n"
                    .to_owned(),
            )),
            Some(assembled) => Ok(served(revision, assembled)),
            None => Err(broken(report(&found, &sources))),
        }
    }

    /// Brings the source up to date. It may be far away, and take minutes.
    ///
    /// # Errors
    /// It cannot be reached.
    pub fn refresh(&self) -> Result<(), Broken> {
        self.origin.refresh().map_err(|error| self.unreachable(&error))
    }

    /// Whether the source is here: a copy of a repository may be none yet, also beside a state that was put back.
    pub fn has_source(&self) -> bool {
        match &self.origin {
            Origin::Repository { repository, url: Some(_), .. } => is_bare(repository),
            _ => true,
        }
    }

    /// The newest revision, as it is here.
    ///
    /// # Errors
    /// There is none.
    pub fn open(&self) -> Result<Revision, Broken> {
        self.origin.open().map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &SourceError) -> Broken {
        // What git says of the other side, and where that is, is the operator's to know.
        tracing::warn!(%error, "the source cannot be read");
        let report = match error {
            SourceError::Fetch { .. } => "it cannot be fetched; the log says why\n".to_owned(),
            error => self.without_our_paths(&format!("{error}\n")),
        };
        Broken { is_unreachable: true, revision: String::new(), report, at: wall() }
    }

    /// Whether a commit follows another, which may be no commit.
    pub fn descends(&self, commit: &str, other: &str) -> bool {
        match &self.origin {
            Origin::Directory(_) => false,
            Origin::Repository { repository, .. } => descends(repository, commit, other),
        }
    }

    /// Makes another revision.
    ///
    /// # Errors
    /// There is none of this name, or it is broken: the report.
    pub fn at(&self, revision: &str) -> Result<Served, String> {
        let revision = self.origin.at(revision).map_err(|error| error.to_string())?;
        self.make(&revision).map_err(|broken| broken.report)
    }
}

fn served(revision: &Revision, assembled: Assembled) -> Served {
    let summary = match revision {
        Revision::Directory(_) => String::new(),
        Revision::Commit(commit) => commit.summary.clone(),
    };
    Served::new(assembled, revision.commit().map(str::to_owned), summary, wall())
}

/// What is wrong with a revision, as `kgen check` says it.
pub fn report(found: &Diagnostics, sources: &Sources) -> String {
    let mut report = String::new();
    for diagnostic in found.sorted().into_iter().filter(|diagnostic| diagnostic.severity == Severity::Error) {
        report.push_str(&to_text(diagnostic, sources, false));
        report.push('\n');
        if report.len() > LONGEST_REPORT {
            report.truncate(report.floor_char_boundary(LONGEST_REPORT));
            report.push_str("..\n");
            break;
        }
    }
    report
}
