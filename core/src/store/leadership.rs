use std::{any::Any, fmt};

use async_trait::async_trait;

use super::StoreError;

/// Decides which node does what only one of an installation is to do at a time.
#[async_trait]
pub trait Leadership: fmt::Debug + Send + Sync + 'static {
    /// Takes a duty on, until the value is dropped; `None` where another has it. The duty of a node that dies, or
    /// loses its store, goes to another that asks. Such a node may believe for a moment that it has the duty
    /// still: a duty has to be one that does no harm when done twice.
    async fn lead(&self, duty: Duty) -> Result<Option<Lead>, StoreError>;
}

/// What one node at a time does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    /// Removes what interrupted uploads have left, and what nobody needs to know any more.
    Sweep,
    /// Ends files and removals whose time is over, and forgets limits that are quiet.
    Lifetimes,
    /// Vouches for the trail.
    Checkpoints,
}

impl Duty {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sweep, Self::Lifetimes, Self::Checkpoints];
}

/// A duty that was taken on. Dropping it gives it up.
pub struct Lead(#[expect(dead_code, reason = "it is dropped")] Box<dyn Any + Send + Sync>);

impl Lead {
    /// One that ends when `held` is dropped.
    pub fn while_held(held: impl Any + Send + Sync) -> Self {
        Self(Box::new(held))
    }
}

impl fmt::Debug for Lead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lead")
    }
}
