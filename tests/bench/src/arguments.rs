//! `--name value`, and nothing else.

use std::env;
use std::str::FromStr;

use crate::Result;

/// The options of a benchmark.
pub struct Arguments(Vec<String>);

impl Arguments {
    /// Reads the command line, and refuses what is not among `known`.
    pub fn read(known: &[&str]) -> Result<Arguments> {
        let words: Vec<String> = env::args().skip(1).collect();
        for word in words.iter().step_by(2) {
            if !known.contains(&word.as_str()) {
                return Err(format!("{word} is not known; options, with a value each: {}", known.join(" ")).into());
            }
        }
        match words.len() % 2 {
            0 => Ok(Arguments(words)),
            _ => Err("each option needs a value".into()),
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        let position = self.0.iter().step_by(2).position(|word| word == name)?;
        self.0.get(position * 2 + 1).map(String::as_str)
    }

    pub fn value<T: FromStr>(&self, name: &str, default: T) -> Result<T> {
        match self.text(name) {
            Some(text) => text.parse().map_err(|_| format!("{name}: {text:?} is no number").into()),
            None => Ok(default),
        }
    }
}
