//! What a setting is. Which there are stands in `settings`.

use super::value::Kind;

/// One setting.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    /// Other names for the same thing, from the five systems that mainstay replaces.
    pub aliases: &'static [&'static str],
    pub kind: Kind,
    pub default: Fallback,
    pub help: &'static str,
    /// Never shown; may come from the file that `NAME_FILE` names.
    pub is_secret: bool,
}

/// What holds when nothing is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    Value(&'static str),
    /// Depends on something else, in these words.
    Words(&'static str),
}

/// A group of settings under a heading.
#[derive(Debug)]
pub struct Group {
    pub title: &'static str,
    pub settings: &'static [Setting],
}

pub(super) const fn setting(name: &'static str, kind: Kind, default: Fallback, help: &'static str) -> Setting {
    Setting { name, aliases: &[], kind, default, help, is_secret: false }
}

impl Setting {
    pub(super) const fn aliases(mut self, aliases: &'static [&'static str]) -> Setting {
        self.aliases = aliases;
        self
    }

    pub(super) const fn secret(mut self) -> Setting {
        self.is_secret = true;
        self
    }
}
