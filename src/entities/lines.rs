//! On which line each value of a JSON text stands: serde_json says where a text is no JSON, and nothing of what is well
//! formed and still wrong.

use std::collections::HashMap;

/// The line of every value, by its path: `fields[3].max`.
pub(super) struct Lines(HashMap<String, usize>);

impl Lines {
    /// The text is known to be JSON, and not too deep.
    pub(super) fn of(text: &str) -> Lines {
        let mut scanner = Scanner { bytes: text.as_bytes(), at: 0, line: 1, lines: HashMap::new() };
        scanner.value("");
        Lines(scanner.lines)
    }

    /// The line of a value; of one that is not there, that of what it would be in.
    pub(super) fn find(&self, path: &str) -> usize {
        let mut path = path;
        loop {
            if let Some(line) = self.0.get(path) {
                return *line;
            }
            path = match path.rfind(['.', '[']) {
                Some(end) => &path[..end],
                None if path.is_empty() => return 1,
                None => "",
            };
        }
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
    lines: HashMap<String, usize>,
}

impl Scanner<'_> {
    /// The next byte that is no white space.
    fn next(&mut self) -> u8 {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'\n' => self.line += 1,
                b' ' | b'\t' | b'\r' => {}
                _ => return *byte,
            }
            self.at += 1;
        }
        0
    }

    fn value(&mut self, path: &str) {
        let first = self.next();
        self.lines.insert(path.to_owned(), self.line);
        match first {
            b'{' => self.members(path),
            b'[' => self.items(path),
            b'"' => drop(self.string()),
            _ => {
                let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
                self.at += self.bytes[self.at..].iter().take_while(|byte| !is_end(byte)).count();
            }
        }
    }

    fn members(&mut self, path: &str) {
        self.at += 1;
        while !matches!(self.next(), b'}' | 0) {
            let key = self.string();
            self.next();
            self.at += 1; // the colon
            let path = if path.is_empty() { key } else { format!("{path}.{key}") };
            self.value(&path);
            if self.next() == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
    }

    fn items(&mut self, path: &str) {
        self.at += 1;
        let mut index = 0;
        while !matches!(self.next(), b']' | 0) {
            self.value(&format!("{path}[{index}]"));
            index += 1;
            if self.next() == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
    }

    /// A string, as it is written. The keys that matter have nothing in them that would be written in another way.
    fn string(&mut self) -> String {
        let start = self.at + 1;
        self.at = start;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        let end = self.at.min(self.bytes.len());
        self.at = end + 1;
        String::from_utf8_lossy(&self.bytes[start..end]).into_owned()
    }
}
