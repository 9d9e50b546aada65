//! Accounts whose failed logins are being counted. That is done when the reply has been sent, and whoever tries the next
//! password is not looked at before the last one counts.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long one waits for the count: with the database away there is none.
const WAIT_MAX: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Counting {
    accounts: Mutex<HashMap<String, u32>>,
    done: Condvar,
}

/// That a failure is being counted, until it is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    counting: Arc<Counting>,
    email: String,
}

impl Counting {
    pub fn begin(self: &Arc<Counting>, email: &str) -> Counted {
        let email = email.to_lowercase();
        *self.lock().entry(email.clone()).or_default() += 1;
        Counted { counting: self.clone(), email }
    }

    /// Waits until all failures of an account count.
    pub fn wait(&self, email: &str) {
        let email = email.to_lowercase();
        let is_counted = |accounts: &mut HashMap<String, u32>| accounts.contains_key(&email);
        let _ = self.done.wait_timeout_while(self.lock(), WAIT_MAX, is_counted);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut accounts = self.counting.lock();
        if let Some(count) = accounts.get_mut(&self.email) {
            *count -= 1;
            if *count == 0 {
                accounts.remove(&self.email);
            }
        }
        self.counting.done.notify_all();
    }
}
