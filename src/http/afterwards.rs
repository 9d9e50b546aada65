//! What is done when the reply has been sent, by the same thread: the time that a reply takes then tells nobody whether there
//! was anything to do.

use std::cell::Cell;
use std::fmt;

use super::service::Service;
use crate::error::Result;

type Work = Box<dyn FnOnce(&Service) -> Result<()> + Send>;

/// The work that waits for a reply to be sent.
#[derive(Default)]
pub(super) struct Afterwards(Cell<Option<Work>>);

impl Afterwards {
    pub fn set(&self, work: Work) {
        self.0.set(Some(work));
    }

    pub fn take(&self) -> Option<Work> {
        self.0.take()
    }
}

impl fmt::Debug for Afterwards {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Afterwards")
    }
}
