//! Which path is whose: one match, and the class of requests that it counts to.

use crate::files::is_generated;
use crate::server::admission::Class;
use crate::server::answer::{Answer, Body, kind};
use crate::server::kickstart::{Report, What, Whose};
use crate::server::metrics::Measured;
use crate::server::request::{Method, Request};
use crate::server::serving::Serving;
use crate::server::view::{Filter, counts, views};
use crate::server::{api, kickstart, page, script, tree};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Is the process alive.
    Health,
    /// Can it serve.
    Ready,
    /// Measurements.
    Metrics,
    /// Operators.
    Api,
    /// People.
    Page,
    /// Kickstarts, and what machines report.
    Kickstart,
    /// Boot scripts.
    Script,
    /// Boot files.
    BootFile,
    /// Trees to install from.
    Install,
    /// None of these.
    Unknown,
}

impl Route {
    /// That of a path.
    pub fn of(path: &[&str]) -> Self {
        match path {
            ["healthz"] => Self::Health,
            ["readyz"] => Self::Ready,
            ["metrics"] => Self::Metrics,
            ["api", "v1", ..] => Self::Api,
            [] | ["hosts" | "generations" | "graph" | "sightings", ..] => Self::Page,
            ["ks", ..] | ["install", "sbin", ..] => Self::Kickstart,
            ["boot", rest @ ..] if is_generated(&rest.join("/")) => Self::Script,
            ["boot", ..] => Self::BootFile,
            ["install", ..] => Self::Install,
            _ => Self::Unknown,
        }
    }

    /// Its word, for the metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Ready => "ready",
            Self::Metrics => "metrics",
            Self::Api => "api",
            Self::Page => "page",
            Self::Kickstart => "kickstart",
            Self::Script => "script",
            Self::BootFile => "boot-file",
            Self::Install => "install",
            Self::Unknown => "unknown",
        }
    }

    /// The class that it is admitted in; none of what is answered always.
    pub fn class(self) -> Option<Class> {
        match self {
            Self::Health | Self::Ready | Self::Unknown => None,
            Self::Metrics | Self::Api | Self::Page => Some(Class::Operator),
            Self::Kickstart | Self::Script => Some(Class::Boot),
            Self::BootFile | Self::Install => Some(Class::Bulk),
        }
    }
}

/// The refusal of a request that needs a credential and has none: nothing is kept busy with it.
pub fn refused_early(serving: &Serving, request: &Request, path: &[&str]) -> Option<Answer> {
    match path {
        ["api", "v1", "openapi.json"] => None,
        ["api", "v1", ..] => serving.operator(request).err(),
        ["ks", host, "progress" | "success"] if request.method == Method::Post => {
            kickstart::reported_by(serving, request, host).err()
        }
        _ => None,
    }
}

/// Whether the body of a request is read: of those that need a credential, which they have.
pub fn takes_body(method: Method, path: &[&str]) -> bool {
    method == Method::Post && matches!(path, ["api", "v1", ..] | ["ks", _, "progress" | "success"])
}

/// Answers a request that was admitted.
pub async fn answer(serving: &Serving, request: &Request) -> Answer {
    let path = request.parts();
    let is_get = matches!(request.method, Method::Get { .. });
    match (Route::of(&path), path.as_slice()) {
        (Route::Api, [_, _, rest @ ..]) => api::answer(serving, request, rest).await,
        (Route::Kickstart, ["ks", host, report @ ("progress" | "success")]) => {
            let report = if *report == "success" { Report::Success } else { Report::Progress };
            match request.method {
                Method::Post => kickstart::report(serving, request, host, report).await,
                _ => api::not_allowed("POST"),
            }
        }
        (Route::Kickstart, ["ks", host, "token"]) => match request.method {
            Method::Post => kickstart::give_token(serving, request, host).await,
            _ => api::not_allowed("POST"),
        },
        (Route::Unknown, _) => Answer::nothing(),
        _ if !is_get => api::not_allowed("GET, HEAD"),
        (Route::Health, _) => Answer::text("alive\n"),
        (Route::Ready, _) => ready(serving),
        (Route::Metrics, _) => Answer::whole(kind::METRICS, serving.metrics.text(&measured(serving))).private(),
        (Route::Page, path) => page::answer(serving, request, path),
        (Route::Kickstart, path) => given(serving, request, path).await,
        (Route::Script, [_, rest @ ..]) => script::give(serving, request, &rest.join("/")).await,
        (Route::BootFile, [_, rest @ ..]) => script::file(serving, request, rest),
        (Route::Install, [_, name, rest @ ..]) => {
            let serve = serving.serve.load();
            match serve.install.get(*name) {
                Some((directory, _)) => tree::give(serving, request, &serving.directory.join(directory), rest),
                None => Answer::nothing(),
            }
        }
        _ => Answer::nothing(),
    }
}

/// `/ks/HOST[.ks|.sh]`, `/ks`, and `/install/sbin/kickstart.cgi` as Rocks had it, whose parameters say nothing that is
/// not known here.
async fn given(serving: &Serving, request: &Request, path: &[&str]) -> Answer {
    let (whose, what) = match path {
        ["ks"] | ["install", "sbin", "kickstart.cgi"] => (Whose::Own, What::Kickstart),
        ["ks", name] => match (name.strip_suffix(".ks"), name.strip_suffix(".sh")) {
            (_, Some(host)) => (Whose::Named(host), What::Configure),
            (Some(host), None) => (Whose::Named(host), What::Kickstart),
            (None, None) => (Whose::Named(name), What::Kickstart),
        },
        _ => return Answer::nothing(),
    };
    kickstart::give(serving, request, whose, what).await
}

/// Whether machines are served, and with the newest revision.
fn ready(serving: &Serving) -> Answer {
    let snapshot = serving.snapshot.load();
    match (&snapshot.current, &snapshot.broken) {
        (None, _) => Answer::refusal(503, "nothing is served yet"),
        (Some(current), None) => Answer::text(format!("generation {}\n", current.id())),
        (Some(current), Some(broken)) => Answer::text(format!("generation {}; {}\n", current.id(), broken.sentence())),
    }
}

fn measured(serving: &Serving) -> Measured {
    let snapshot = serving.snapshot.load();
    let mut measured = Measured { is_broken: snapshot.broken.is_some(), ..Measured::default() };
    if let Some(current) = snapshot.current.as_deref() {
        measured.generation = Some(current.id().to_owned());
        let views = views(serving, &snapshot, current, Filter::default());
        let stuck = views.iter().filter(|view| view.stuck).count();
        let states = counts(&views).into_iter().chain([("stuck", stuck)]);
        measured.hosts = states.map(|(state, count)| (state, i64::try_from(count).unwrap_or(i64::MAX))).collect();
    }
    for class in Class::ALL {
        let (active, waiting) = serving.admission.line(class).load();
        measured.load.push((class, active, waiting));
    }
    measured
}

/// What is told to who comes when there is no room: firmware does not look at the body of an error, so that a script
/// for iPXE is one that says so, waits and asks again.
pub fn busy(request: &Request, busy: crate::server::admission::Busy) -> Answer {
    let path = request.path.join("/");
    if path.starts_with("boot/") && path.ends_with(".ipxe") {
        let name = request.path.last().map(String::as_str).unwrap_or_default();
        return Answer::text(crate::emit::ipxe::busy(name, busy.position, busy.seconds)).private();
    }
    Answer::refusal(503, "the server is busy").with("retry-after", busy.seconds.to_string())
}

/// How many bytes an answer has.
pub fn length(answer: &Answer) -> u64 {
    match &answer.body {
        Body::Whole(bytes) => bytes.len() as u64,
        Body::File { length, .. } => *length,
    }
}
