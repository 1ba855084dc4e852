//! A map with a limit: it keeps the order things came in and forgets the oldest when it is full.

use std::collections::{HashMap, VecDeque};

/// Everything the sandbox remembers stands on a shelf, so that it can run for days without growing.
pub(crate) struct Shelf<V> {
    limit: usize,
    rows: HashMap<String, V>,
    order: VecDeque<String>,
}

impl<V> Shelf<V> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, rows: HashMap::new(), order: VecDeque::new() }
    }

    /// Adds or replaces. A replaced row keeps its place.
    pub(crate) fn put(&mut self, key: &str, row: V) {
        if self.rows.insert(key.to_owned(), row).is_some() {
            return;
        }
        self.order.push_back(key.to_owned());
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.rows.remove(&oldest);
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.rows.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        self.rows.get_mut(key)
    }

    /// The row under `key`, made first if it is not there.
    pub(crate) fn entry(&mut self, key: &str, make: impl FnOnce() -> V) -> Option<&mut V> {
        if !self.rows.contains_key(key) {
            self.put(key, make());
        }
        self.rows.get_mut(key)
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<V> {
        self.order.retain(|known| known != key);
        self.rows.remove(key)
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &V)> {
        self.order.iter().filter_map(|key| Some((key.as_str(), self.rows.get(key)?)))
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.order.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Shelf;

    #[test]
    fn a_full_shelf_forgets_the_oldest() {
        let mut shelf = Shelf::new(2);
        for (key, row) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            shelf.put(key, row);
        }
        assert_eq!(shelf.iter().collect::<Vec<_>>(), [("b", &2), ("c", &4)]);
        assert_eq!(shelf.remove("b"), Some(2));
        assert_eq!(shelf.entry("d", || 5).copied(), Some(5));
        assert_eq!(shelf.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["c", "d"]);
    }
}
