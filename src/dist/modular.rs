//! Streams of modules (modulemd 2): packages of several versions side by side, each version kept together.
//!
//! Which packages are a stream is said by documents in YAML that repositories carry. They are passed on as they are; what
//! is read of them is which stream they speak of, and which packages are its own.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::dist::nevra::{Nevra, rank};
use crate::inventory::distribution::{Pattern, any_fits};

/// One document: a stream in one version and context, or defaults of a module, or something else.
#[derive(Clone, Debug)]
pub struct Document {
    /// As it stands, without the marks around it.
    pub text: String,
    /// What it speaks of.
    pub kind: Kind,
    /// The number of the source that it is of.
    pub source: usize,
}

/// What a document speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The packages of a stream.
    Stream(Stream),
    /// Something of a module: its defaults, a translation.
    Other {
        /// The module; empty where it names none.
        module: String,
        /// The stream that is the default, where it says one.
        stream: Option<String>,
        /// The profiles that are installed where none is named, by stream.
        profiles: BTreeMap<String, Vec<String>>,
    },
}

/// A stream of a module, in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The module.
    pub module: String,
    /// The stream.
    pub stream: String,
    /// Grows with time.
    pub version: u64,
    /// Tells apart what was built against different things.
    pub context: String,
    /// The architecture.
    pub arch: String,
    /// The packages, as `NAME-EPOCH:VERSION-RELEASE.ARCH`.
    pub artifacts: BTreeSet<String>,
    /// Names of packages, by profile.
    pub profiles: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Wire {
    document: String,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    #[serde(default)]
    name: String,
    #[serde(default)]
    module: String,
    #[serde(default)]
    stream: String,
    #[serde(default)]
    version: u64,
    #[serde(default)]
    context: String,
    #[serde(default)]
    arch: String,
    #[serde(default)]
    artifacts: Artifacts,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// Of a stream it lists packages, of defaults the names of profiles.
#[derive(Deserialize)]
#[serde(untagged)]
enum Profile {
    Packages(Artifacts),
    Names(Vec<String>),
}

#[derive(Default, Deserialize)]
struct Artifacts {
    #[serde(default)]
    rpms: Vec<String>,
}

/// Takes a file of documents apart.
///
/// # Errors
/// One of them is no YAML.
pub fn documents(text: &str, source: usize) -> Result<Vec<Document>, String> {
    let mut documents = Vec::new();
    for text in split(text) {
        let wire: Wire = serde_saphyr::from_str(&text).map_err(|error| {
            error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
        })?;
        let data = wire.data;
        let kind = match wire.document.as_str() {
            "modulemd" | "modulemd-stream" => Kind::Stream(Stream {
                module: data.name,
                stream: data.stream,
                version: data.version,
                context: data.context,
                arch: data.arch,
                artifacts: data.artifacts.rpms.into_iter().collect(),
                profiles: named(data.profiles, |profile| match profile {
                    Profile::Packages(packages) => packages.rpms,
                    Profile::Names(_) => Vec::new(),
                }),
            }),
            _ => Kind::Other {
                module: if data.module.is_empty() { data.name } else { data.module },
                stream: (!data.stream.is_empty()).then_some(data.stream),
                profiles: named(data.profiles, |profile| match profile {
                    Profile::Packages(_) => Vec::new(),
                    Profile::Names(names) => names,
                }),
            },
        };
        documents.push(Document { text, kind, source });
    }
    Ok(documents)
}

fn named(profiles: BTreeMap<String, Profile>, list: fn(Profile) -> Vec<String>) -> BTreeMap<String, Vec<String>> {
    profiles.into_iter().map(|(name, profile)| (name, list(profile))).collect()
}

/// Documents begin with `---` and end with `...`, at the beginning of a line, where nothing else can say that.
fn split(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.lines() {
        match line.trim_end() {
            "---" | "..." => documents.push(String::new()),
            _ => {
                if let Some(document) = documents.last_mut() {
                    document.push_str(line);
                    document.push('\n');
                }
            }
        }
    }
    documents.retain(|document| document.lines().any(|line| !line.trim().is_empty() && !line.starts_with(['#', '%'])));
    documents
}

/// What is kept of all streams, and which packages belong to which.
#[derive(Debug, Default)]
pub struct Kept {
    /// The documents, as a file.
    pub text: String,
    /// Packages of streams that are kept.
    pub artifacts: BTreeSet<String>,
    /// Packages of streams that are not kept, and of no other.
    pub dropped: BTreeSet<String>,
    /// The streams, each with its packages.
    pub streams: Vec<(String, BTreeSet<String>)>,
}

/// Keeps of each stream and context the newest version; all of it, or nothing.
pub fn keep(documents: Vec<Document>, wanted: Option<&[Pattern]>, arch: &str) -> Kept {
    let mut newest: BTreeMap<(String, String, String), u64> = BTreeMap::new();
    let is_wanted = |stream: &Stream| {
        let name = format!("{}:{}", stream.module, stream.stream);
        wanted.is_none_or(|patterns| any_fits(patterns, &name))
            && (stream.arch.is_empty() || rank(&stream.arch, arch) == Some(0))
    };
    let key = |stream: &Stream| (stream.module.clone(), stream.stream.clone(), stream.context.clone());
    for document in &documents {
        if let Kind::Stream(stream) = &document.kind
            && is_wanted(stream)
        {
            let version = newest.entry(key(stream)).or_default();
            *version = stream.version.max(*version);
        }
    }
    let mut kept = Kept::default();
    let (mut all, mut told) = (BTreeSet::new(), BTreeSet::new());
    for document in documents {
        let is_kept = match &document.kind {
            Kind::Stream(stream) => {
                all.extend(stream.artifacts.iter().cloned());
                newest.get(&key(stream)) == Some(&stream.version) && is_wanted(stream)
            }
            Kind::Other { module, .. } => newest.keys().any(|(name, ..)| name == module),
        };
        // Two sources may carry the same document.
        if !is_kept || !told.insert(document.text.clone()) {
            continue;
        }
        if let Kind::Stream(stream) = &document.kind {
            kept.artifacts.extend(stream.artifacts.iter().cloned());
            kept.streams.push((format!("{}:{}", stream.module, stream.stream), stream.artifacts.clone()));
        }
        kept.text.push_str(&format!("---\n{}...\n", document.text));
    }
    kept.dropped = all.difference(&kept.artifacts).cloned().collect();
    kept
}

/// A package as documents write it: always with its epoch.
pub fn artifact(nevra: &Nevra) -> String {
    let Nevra { name, evr, arch } = nevra;
    format!("{name}-{}:{}-{}.{arch}", evr.epoch, evr.version, evr.release)
}

/// The streams of a tree, and which of them count where nobody asks.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    /// By module and stream.
    streams: BTreeMap<(String, String), Offered>,
    /// The default stream of a module.
    defaults: BTreeMap<String, String>,
    /// The profiles that are installed where none is named, by module and stream.
    profiles: BTreeMap<(String, String), Vec<String>>,
}

#[derive(Clone, Debug, Default)]
struct Offered {
    artifacts: BTreeSet<String>,
    profiles: BTreeMap<String, Vec<String>>,
}

impl Modules {
    /// What documents say.
    pub fn of(documents: Vec<Document>) -> Self {
        let mut modules = Self::default();
        for document in documents {
            match document.kind {
                Kind::Stream(stream) => {
                    let offered = modules.streams.entry((stream.module, stream.stream)).or_default();
                    offered.artifacts.extend(stream.artifacts);
                    offered.profiles.extend(stream.profiles);
                }
                Kind::Other { module, stream, profiles } => {
                    let by_stream = profiles.into_iter().map(|(stream, names)| ((module.clone(), stream), names));
                    modules.profiles.extend(by_stream);
                    modules.defaults.extend(stream.map(|stream| (module, stream)));
                }
            }
        }
        modules
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Whether a package is of some stream.
    pub fn has(&self, artifact: &str) -> bool {
        self.streams.values().any(|offered| offered.artifacts.contains(artifact))
    }

    /// All streams, as `NAME:STREAM`.
    pub fn names(&self) -> Vec<String> {
        self.streams.keys().map(|(module, stream)| format!("{module}:{stream}")).collect()
    }

    /// Packages of the streams that are asked for, and of the default streams of modules of which none is.
    pub fn enabled(&self, asked: &BTreeMap<String, String>) -> BTreeSet<String> {
        let counts = |(module, stream): &(String, String)| {
            asked.get(module).or_else(|| self.defaults.get(module)) == Some(stream)
        };
        let streams = self.streams.iter().filter(|(name, _)| counts(name));
        streams.flat_map(|(_, offered)| offered.artifacts.iter().cloned()).collect()
    }

    /// Module and stream of `MODULE[:STREAM][/PROFILE]`, if there is such a stream; without one, the default.
    pub fn stream(&self, text: &str) -> Option<(String, String)> {
        let text = text.split('/').next().unwrap_or(text);
        let (module, stream) = match text.split_once(':') {
            Some((module, stream)) => (module, stream),
            None => (text, self.defaults.get(text)?.as_str()),
        };
        let key = (module.to_owned(), stream.to_owned());
        self.streams.contains_key(&key).then_some(key)
    }

    /// Names of packages that `MODULE[:STREAM][/PROFILE]` installs.
    ///
    /// # Errors
    /// The profiles that there are, if it names another.
    pub fn packages(&self, text: &str, stream: &(String, String)) -> Result<Vec<String>, Vec<String>> {
        let Some(offered) = self.streams.get(stream) else { return Ok(Vec::new()) };
        let named = text.split_once('/').map(|(_, profile)| vec![profile.to_owned()]);
        let profiles = named.or_else(|| self.profiles.get(stream).cloned()).unwrap_or_default();
        let mut packages = Vec::new();
        for profile in profiles {
            let all = || offered.profiles.keys().cloned().collect::<Vec<_>>();
            packages.extend(offered.profiles.get(&profile).ok_or_else(all)?.iter().cloned());
        }
        Ok(packages)
    }
}
