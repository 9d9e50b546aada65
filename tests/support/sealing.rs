//! Servers that get another key for secrets at rest.

use std::time::Duration;

use super::App;
use super::serving::Serving;
use super::wait::wait_for;

pub const KEYS: [&str; 2] = ["the first key, 7f8e2d91ab34c0563de1", "the second key, 91c4e0ab77d25f36e8b0"];

const PATIENCE: Duration = Duration::from_secs(60);

/// Gives a server the second key, with the first one beside it, and then alone.
pub fn change_keys(app: &mut App) {
    app.set(&[("ENCRYPTION_KEY", KEYS[1]), ("ENCRYPTION_KEY_PREVIOUS", KEYS[0])]);
    app.restart();
    app.set(&[("ENCRYPTION_KEY_PREVIOUS", "")]);
    app.restart();
}

/// Starts a server with the first key on what the second one has sealed.
pub fn is_refused_without_its_key(mut app: App) {
    app.stop();
    app.set(&[("ENCRYPTION_KEY", KEYS[0])]);
    let variables = app.variables_of_the_binary();
    let wrong = Serving::start(&variables.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>());
    wait_for("it says what is wrong", PATIENCE, || {
        let (status, body) = wrong.get("/ready");
        (status == 503 && body.contains("ENCRYPTION_KEY")).then_some(())
    });
}
