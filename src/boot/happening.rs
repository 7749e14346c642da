//! What happens to a host: what is ordered, what it is seen to do. [`crate::boot::state`] says what follows.

use crate::boot::token::Token;
use crate::name::ActionName;

/// Milliseconds since 1970.
pub type Time = u64;

/// What bounds builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a token lasts, in milliseconds.
    pub token: u64,
    /// How often a build begins.
    pub attempts: u32,
}

/// What is seen, or ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// An operator orders an action, or that the inventory decides.
    Ordered {
        /// The action.
        action: Option<ActionName>,
        /// Who.
        by: String,
    },
    /// The machine got its boot script.
    Script(Served),
    /// The machine, whose loader could not bring it a token, asks for one.
    Token(Token),
    /// The machine got its kickstart.
    Kickstart {
        /// Whether it installs with it; else it runs from memory.
        builds: bool,
        /// What it is to do, as who answered it saw it.
        told: Told,
    },
    /// The machine reports how far it is.
    Progress {
        /// One line.
        text: String,
        /// What it has to prove that it is of this build.
        token: Token,
    },
    /// The machine reports that it is installed.
    Success {
        /// The action that the inventory names for it now.
        declared: ActionName,
        /// What it has to prove that it is of this build.
        token: Token,
    },
    /// A generation was taken in which the inventory names this action for it.
    Taken {
        /// The action.
        declared: ActionName,
    },
}

/// What a machine is told to do. If somebody orders something else meanwhile, it does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The action.
    pub action: ActionName,
    /// What the inventory says.
    pub declared: ActionName,
}

/// What a boot script tells the machine to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The action.
    pub told: Told,
    /// Install itself.
    pub builds: bool,
    /// Boot from its own disk.
    pub local: bool,
    /// A token to be used if one is needed.
    pub token: Option<Token>,
}
