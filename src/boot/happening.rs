//! What happens to a host: what is ordered, what it is seen to do. [`crate::boot::state`] says what follows.

use crate::boot::machine::Identities;
use crate::boot::token::Token;
use crate::name::ActionName;

/// Milliseconds since 1970 by the clock of the state, which never goes back: see [`crate::store::clock`].
pub type Time = u64;

/// What bounds builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a token lasts, in milliseconds.
    pub token: u64,
    /// How often a build begins.
    pub attempts: u32,
}

/// The boot action that a generation names for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The action.
    pub action: ActionName,
    /// Whether it installs the machine with its kickstart, and so may destroy what is on its disks.
    pub builds: bool,
}

/// What is seen, or ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// An operator orders an action, for the machine that the host was when it was shown to them.
    Ordered {
        /// The action.
        action: ActionName,
        /// Whether it builds: an order of another never does, whatever becomes of the action.
        builds: bool,
        /// What the machine is known by.
        machine: Identities,
        /// Who.
        by: String,
    },
    /// An operator takes back what was ordered: the inventory decides again, which arms nobody.
    Released {
        /// What the inventory names.
        declared: Declared,
        /// Who.
        by: String,
    },
    /// An operator lets a host that waits do what the inventory names, for the machine that it was when it was shown.
    Adopted {
        /// What the machine is known by.
        machine: Identities,
        /// What the inventory names.
        declared: Declared,
        /// Who.
        by: String,
    },
    /// Somebody's order was refused; nothing changes but the list of events.
    Refused {
        /// The sentence for the list.
        why: String,
    },
    /// The machine got its boot script.
    Script(Served),
    /// The machine, whose loader could not bring it a token, asks for one.
    Token(Token),
    /// The machine got its kickstart.
    Kickstart {
        /// Whether it installs with it; else it runs from memory.
        builds: bool,
        /// What it is to do, as the request that served it saw it.
        told: Told,
    },
    /// The machine reports how far it is.
    Progress {
        /// One line.
        text: String,
        /// Proves that the report is of this build.
        token: Token,
    },
    /// The machine reports that it is installed, with what proves that the report is of this build.
    Success(Token),
}

/// What a machine is told to do. If somebody orders something else meanwhile, it does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The action.
    pub action: ActionName,
    /// What the inventory names.
    pub declared: Declared,
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
