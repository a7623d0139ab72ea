//! Finished pages: kept for one version of the data and in bounded memory, so that what is asked again is not made again.
//!
//! What is kept of an answer is what does not differ from request to request: the object without its `meta`, and its tag. Which keys are
//! counted, and how, is done before, on every request.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{body::Bytes, http::HeaderValue};

use super::reply;

/// What a page takes beside its bytes: key, tag and places in tables, about.
const OVERHEAD: usize = 512;

/// An object that is answered.
#[derive(Debug)]
pub struct Page {
    /// JSON of it, up to the closing brace.
    pub open: Bytes,
    /// Its `ETag`.
    pub tag: HeaderValue,
}

impl Page {
    /// Of a JSON object of one member at least.
    #[must_use]
    pub fn of(mut object: Vec<u8>) -> Self {
        let tag = reply::etag(&object);
        if object.last() == Some(&b'}') {
            object.pop();
        }
        object.shrink_to_fit();
        Page {
            open: object.into(),
            tag,
        }
    }

    fn weight(&self) -> usize {
        self.open.len() + OVERHEAD
    }
}

/// Pages of one version of the data. What was asked for lately stays, in so many bytes at most.
#[derive(Debug)]
pub struct Pages<K> {
    kept: Mutex<Kept<K>>,
    most_bytes: usize,
}

/// Two halves: where the young one is full it takes the place of the old one, whose pages are let go.
#[derive(Debug)]
struct Kept<K> {
    version: i64,
    young: HashMap<K, Arc<Page>>,
    young_bytes: usize,
    old: HashMap<K, Arc<Page>>,
}

impl<K> Kept<K> {
    fn of(version: i64) -> Self {
        Kept {
            version,
            young: HashMap::new(),
            young_bytes: 0,
            old: HashMap::new(),
        }
    }
}

impl<K: Hash + Eq> Pages<K> {
    /// None yet; so many bytes at most.
    #[must_use]
    pub fn holding(most_bytes: usize) -> Self {
        Pages {
            kept: Mutex::new(Kept::of(0)),
            most_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept<K>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page as it is in this version of the data.
    pub fn get(&self, version: i64, key: &K) -> Option<Arc<Page>> {
        let mut kept = self.lock();
        if kept.version != version {
            return None;
        }
        if let Some(page) = kept.young.get(key) {
            return Some(page.clone());
        }
        let (key, page) = kept.old.remove_entry(key)?;
        self.insert(&mut kept, key, page.clone());
        Some(page)
    }

    /// Keeps a page that was made of this version of the data, or of a later one. Pages of earlier versions are let go.
    pub fn put(&self, version: i64, key: K, page: Arc<Page>) {
        let mut kept = self.lock();
        // a page larger than half of all would only drive out the others
        if kept.version > version || page.weight() > self.most_bytes / 2 {
            return;
        }
        if kept.version < version {
            *kept = Kept::of(version);
        }
        self.insert(&mut kept, key, page);
    }

    fn insert(&self, kept: &mut Kept<K>, key: K, page: Arc<Page>) {
        let weight = page.weight();
        if kept.young_bytes + weight > self.most_bytes / 2 {
            kept.old = std::mem::take(&mut kept.young);
            kept.young_bytes = 0;
        }
        if let Some(before) = kept.young.insert(key, page) {
            kept.young_bytes -= before.weight();
        }
        kept.young_bytes += weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(bytes: usize) -> Arc<Page> {
        let object = format!("{{\"a\":\"{}\"}}", "x".repeat(bytes));
        Arc::new(Page::of(object.into_bytes()))
    }

    #[test]
    fn a_page_is_of_its_version_alone() {
        let pages = Pages::holding(1 << 20);
        pages.put(4, "a", page(1));
        assert!(pages.get(4, &"a").is_some());
        assert!(pages.get(5, &"a").is_none());
        pages.put(5, "b", page(1));
        assert!(pages.get(4, &"a").is_none(), "the earlier version is gone");
        pages.put(4, "b", page(2));
        assert_eq!(pages.get(5, &"b").unwrap().open.len(), page(1).open.len());
    }

    #[test]
    fn what_was_asked_for_lately_stays() {
        let pages = Pages::holding(40_000);
        pages.put(1, 0, page(1_000));
        for n in 1..100 {
            pages.put(1, n, page(1_000));
            assert!(pages.get(1, &0).is_some(), "{n}");
        }
        assert!(pages.get(1, &1).is_none());
    }

    proptest! {
        #[test]
        fn all_pages_together_are_bounded(asked in prop::collection::vec((0_u8..30, 0_usize..9_000, any::<bool>()), 1..200)) {
            let pages = Pages::holding(20_000);
            for (key, bytes, reads) in asked {
                match reads {
                    true => drop(pages.get(1, &key)),
                    false => pages.put(1, key, page(bytes)),
                }
                let kept = pages.lock();
                let all = kept.young.values().chain(kept.old.values());
                let weight: usize = all.map(|page| page.weight()).sum();
                prop_assert!(weight <= 20_000, "{weight}");
                let young: usize = kept.young.values().map(|page| page.weight()).sum();
                prop_assert_eq!(young, kept.young_bytes);
            }
        }
    }
}
