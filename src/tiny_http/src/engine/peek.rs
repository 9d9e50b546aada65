//! Requests that a program looks at before it takes them.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::event::epoll::EventFlags;

use super::{CLOSED, Engine, LISTENER, NOBODY, UNBLOCK};
use crate::connection::Connection;

impl Engine {
    /// Looks at one event, if there is any, and takes the request that it brings. What is not taken must be given to
    /// [`Engine::pass`]. Neither end nor unblocking are noticed here: they are for those who wait.
    pub(crate) fn peek(&self) -> io::Result<Option<Box<Connection>>> {
        self.check_open()?;
        if self.passed.load(Ordering::Relaxed) != NOBODY {
            // Nobody overtakes it.
            return Ok(None);
        }
        let Some((token, flags)) = self.next_event(Some(Duration::ZERO))? else { return Ok(None) };
        match token {
            LISTENER => self.accept(),
            UNBLOCK | CLOSED => {}
            token => return Ok(self.take_up(token, flags)),
        }
        Ok(None)
    }

    /// Leaves a request that was looked at to the next thread that asks for one.
    pub(crate) fn pass(&self, connection: Box<Connection>) {
        self.passed.store(connection.token.as_u64(), Ordering::Relaxed);
        self.put_aside(connection);
    }

    /// The connection that was passed, as an event: there is none for it before those of all others.
    pub(super) fn passed_event(&self) -> Option<(u64, EventFlags)> {
        let token = self.passed.load(Ordering::Relaxed);
        (token != NOBODY).then(|| self.passed.swap(NOBODY, Ordering::Relaxed)).map(|token| (token, EventFlags::empty()))
    }
}
