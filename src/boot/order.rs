//! The words of the boot state: what was ordered, what was seen, and what keeps a host from it.

use std::fmt;

use crate::name::ActionName;

/// What a host was last seen to do about its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BootState {
    /// Nothing was ordered that is to be waited for, and nothing was seen.
    #[default]
    Idle,
    /// An action was ordered; the host has not asked yet.
    Armed,
    /// It has its boot script.
    ScriptServed,
    /// It has its kickstart.
    KickstartFetched,
    /// It reports progress.
    Installing,
    /// It reported success.
    Installed,
    /// It was told to boot from its own disk.
    Local,
    /// It began too often without reporting success.
    Failed,
    /// The inventory names an action that builds, which nobody ordered: it boots from its own disk.
    Waiting,
    /// Which machine it is is not sure: it boots from its own disk.
    Doubtful,
}

impl BootState {
    /// All of them, in order.
    pub const ALL: [BootState; 10] = [
        Self::Idle,
        Self::Armed,
        Self::ScriptServed,
        Self::KickstartFetched,
        Self::Installing,
        Self::Installed,
        Self::Local,
        Self::Failed,
        Self::Waiting,
        Self::Doubtful,
    ];

    /// The word for it, as the API and the store have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Armed => "armed",
            Self::ScriptServed => "script-served",
            Self::KickstartFetched => "kickstart-fetched",
            Self::Installing => "installing",
            Self::Installed => "installed",
            Self::Local => "local",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
            Self::Doubtful => "doubtful",
        }
    }

    /// The state of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether a machine is on its way, and stuck if nothing is heard of it for long.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::ScriptServed | Self::KickstartFetched | Self::Installing)
    }
}

impl fmt::Display for BootState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Who decides what a host does at its next boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Nothing is ordered: the inventory decides, as long as its action does not build.
    #[default]
    Declared,
    /// An operator.
    Action(ActionName),
    /// A commit that named this action, which builds, or an operator who adopted what the inventory names.
    Inventory(ActionName),
    /// Nobody any more: what was ordered is done, while the inventory named this action.
    Done(ActionName),
}

impl Order {
    /// The action of an order that is not done.
    pub fn open(&self) -> Option<&ActionName> {
        match self {
            Self::Action(action) | Self::Inventory(action) => Some(action),
            Self::Declared | Self::Done(_) => None,
        }
    }
}

/// Why a host boots from its own disk whatever the inventory names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// It does not.
    #[default]
    Free,
    /// What the inventory names builds, and is no order: why not.
    Waiting(String),
    /// The identities of its machine are, or were, those of another host: which. Only a person ends it.
    Doubtful(String),
}
