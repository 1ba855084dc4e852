//! New inputs out of known ones: JSON as a tree, everything else as bytes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use hookledger_simulation::simulation::dice::Dice;

/// The largest input made. Larger ones are in the corpora, where they have a reason.
const MAX_BYTES: usize = 48 * 1024;
/// Words taken over from the pool.
const MAX_WORDS: usize = 512;

/// What trips readers up, as text.
const NASTY: &[&str] = &[
    "",
    " ",
    "#",
    "a#b",
    "%",
    "%23",
    "~",
    "~0",
    "\0",
    "\n",
    "\r\n",
    "\u{7f}",
    "\u{feff}",
    "\u{202e}",
    "\u{1f9fe}",
    "..",
    "../..",
    "/",
    "?x=",
    "&",
    ",",
    "=",
    "t=",
    ",v1=",
    "sha256=",
    "null",
    "true",
    "0",
    "-1",
    "2000-01-01T00:00:00Z",
    "9999-12-31T23:59:60Z",
    "event#",
    "state",
    "expectation",
];

/// The same, as JSON that need not be valid: numbers no machine holds, half characters, keys that come twice.
const NASTY_JSON: &[&str] = &[
    "null",
    "true",
    "\"\"",
    "[]",
    "{}",
    "[[]]",
    "0",
    "-0",
    "1.10",
    "1e999",
    "-1e-999",
    "18446744073709551616",
    "123456789012345678901234567890.00100",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"#\"",
    "{\"a\":1,\"a\":2}",
    "[null,{},[],\"\",0]",
    "NaN",
    "01",
    "'x'",
];

/// Makes inputs.
pub(super) struct Mutator {
    dice: Dice,
    words: Vec<String>,
}

impl Mutator {
    /// A mutator that knows the words of this pool: field names, values, and what stands between separators.
    pub(super) fn new(dice: Dice, pool: &[Vec<u8>]) -> Self {
        let mut words: BTreeSet<String> = NASTY.iter().map(ToString::to_string).collect();
        for input in pool {
            match serde_json::from_slice(input) {
                Ok(value) => collect(&value, &mut words),
                Err(_) => {
                    let text = String::from_utf8_lossy(input);
                    let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && !"_-.".contains(c));
                    words.extend(parts.filter(|part| (2..80).contains(&part.len())).map(str::to_string));
                }
            }
        }
        let words: Vec<String> = words.into_iter().take(MAX_WORDS).collect();
        Self { dice, words }
    }

    /// A new input out of one, with pieces of another.
    pub(super) fn mutate(&self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let rounds = 1 + self.dice.index(3);
        let mut made = match serde_json::from_slice::<Value>(input) {
            Ok(value) if self.dice.percent(75) => {
                let other = serde_json::from_slice(other).unwrap_or(Value::Null);
                self.tree(value, &other, rounds)
            }
            _ => (0..rounds).fold(input.to_vec(), |bytes, _| self.bytes(bytes, other)),
        };
        made.truncate(MAX_BYTES);
        made
    }

    fn word(&self) -> &str {
        &self.words[self.dice.index(self.words.len())]
    }

    fn bytes(&self, mut bytes: Vec<u8>, other: &[u8]) -> Vec<u8> {
        let at = self.dice.index(bytes.len() + 1);
        let end = (at + 1 + self.dice.index(16)).min(bytes.len());
        match self.dice.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.dice.below(8),
            1 if at < bytes.len() => bytes[at] = self.dice.pick(&[0, b'"', b'#', b',', b'=', b'{', 0x7f, 0x80, 0xff]),
            2 if at < end => drop(bytes.drain(at..end)),
            3 if at < end => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece.repeat(1 + self.dice.index(40)));
            }
            4 if !other.is_empty() => {
                let from = self.dice.index(other.len());
                let to = (from + 1 + self.dice.index(64)).min(other.len());
                bytes.splice(at..end.max(at), other[from..to].iter().copied());
            }
            5 => bytes.truncate(at),
            6 => drop(bytes.splice(at..at, self.word().bytes())),
            _ => drop(bytes.splice(at..at, NASTY_JSON[self.dice.index(NASTY_JSON.len())].bytes())),
        }
        bytes
    }

    /// Changes a JSON tree, and what `serde_json` can't hold as text afterwards.
    fn tree(&self, mut value: Value, other: &Value, rounds: usize) -> Vec<u8> {
        for _ in 0..rounds {
            let nodes = count(&value);
            self.node(&mut value, &mut self.dice.index(nodes), other);
        }
        let mut text = value.to_string();
        if text.contains(RAW) {
            text = text.replace(&format!("\"{RAW}\""), NASTY_JSON[self.dice.index(NASTY_JSON.len())]);
        }
        if self.dice.percent(4) && text.starts_with('{') {
            // A field that comes twice.
            text.insert_str(1, &format!("\"{}\":0,", self.word().escape_default()));
        }
        if self.dice.percent(3) {
            text = format!("{}{text}", self.dice.pick(&["\u{feff}", " \n", "[", "//"]));
        }
        text.into_bytes()
    }

    /// Walks to the `steps`th node and changes it.
    fn node(&self, value: &mut Value, steps: &mut usize, other: &Value) {
        if *steps == 0 {
            self.change(value, other);
            *steps = usize::MAX;
            return;
        }
        *steps -= 1;
        let children: Vec<&mut Value> = match value {
            Value::Object(map) => map.values_mut().collect(),
            Value::Array(list) => list.iter_mut().collect(),
            _ => Vec::new(),
        };
        for child in children {
            self.node(child, steps, other);
            if *steps == usize::MAX {
                return;
            }
        }
    }

    fn change(&self, value: &mut Value, other: &Value) {
        match (self.dice.below(8), &mut *value) {
            // JSON within a text, as a queue's message and a gateway's body are.
            (0..=3, Value::String(text)) if text.starts_with('{') => {
                if let Ok(inner) = serde_json::from_str(text) {
                    *text = String::from_utf8_lossy(&self.tree(inner, other, 1)).into_owned();
                }
            }
            (0 | 1, Value::String(text)) => {
                let at = text.char_indices().map(|(at, _)| at).nth(self.dice.index(text.len() + 1));
                text.insert_str(at.unwrap_or(0), &self.word().repeat(1 + self.dice.index(3)));
            }
            (2, Value::String(text)) => *text = text.repeat(2 + self.dice.index(200)).chars().take(9_000).collect(),
            (0 | 1, Value::Object(map)) => self.fields(map, other),
            (2, Value::Array(list)) => list.truncate(self.dice.index(list.len() + 1)),
            (0 | 1, Value::Array(list)) => list.extend(list.clone()),
            (4, _) => *value = self.piece(other),
            (5, _) => {
                let depth = self.dice.pick(&[1, 2, 40, 130, 600]);
                *value = (0..depth).fold(std::mem::take(value), |inner, _| Value::Array(vec![inner]));
            }
            (6, _) => *value = Value::String(self.word().to_string()),
            _ => *value = Value::String(RAW.to_string()),
        }
    }

    fn fields(&self, map: &mut Map<String, Value>, other: &Value) {
        let keys: Vec<String> = map.keys().cloned().collect();
        let some = |dice: &Dice| keys.get(dice.index(keys.len().max(1))).cloned().unwrap_or_default();
        match self.dice.below(4) {
            0 => drop(map.remove(&some(&self.dice))),
            1 => {
                let moved = map.remove(&some(&self.dice)).unwrap_or_default();
                map.insert(self.word().to_string(), moved);
            }
            2 => drop(map.insert(self.word().to_string(), self.piece(other))),
            _ => drop(map.insert(some(&self.dice), self.piece(other))),
        }
    }

    /// Some node of another input.
    fn piece(&self, other: &Value) -> Value {
        let mut steps = self.dice.index(count(other));
        find(other, &mut steps).cloned().unwrap_or_default()
    }
}

/// Stands where text goes that is no JSON to `serde_json`.
const RAW: &str = "@@raw@@";

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Object(map) => map.values().map(count).sum(),
        Value::Array(list) => list.iter().map(count).sum(),
        _ => 0,
    }
}

fn find<'a>(value: &'a Value, steps: &mut usize) -> Option<&'a Value> {
    if *steps == 0 {
        return Some(value);
    }
    *steps -= 1;
    match value {
        Value::Object(map) => map.values().find_map(|child| find(child, steps)),
        Value::Array(list) => list.iter().find_map(|child| find(child, steps)),
        _ => None,
    }
}

fn collect(value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                words.insert(key.clone());
                collect(value, words);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, words)),
        Value::String(text) if text.len() < 200 => drop(words.insert(text.clone())),
        _ => {}
    }
}
