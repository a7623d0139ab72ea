//! Who is the same insider: joint filers, spouses and vehicles, as far as it is known at a time.

use std::collections::HashMap;

use crate::model::filing::{FilingId, Owner};

use super::record::{DeclarationRecord, PersonKey};

/// Forms of address that are no part of a name.
const ADDRESS: [&str; 9] = [
    "mr", "mrs", "ms", "miss", "dr", "prof", "sir", "dame", "lord",
];

/// A name without case, blanks, marks and forms of address: "Sir A Nthony O'Hara" is "anthonyohara".
#[must_use]
pub fn normalised(name: &str) -> String {
    let words = name
        .split_whitespace()
        .map(|word| {
            let letters = word.chars().filter(|c| c.is_alphanumeric());
            letters.flat_map(char::to_lowercase).collect::<String>()
        })
        .filter(|word| !ADDRESS.contains(&word.as_str()));
    words.collect()
}

/// By what an owner is known. `company` is any stable name of the company within its market.
#[must_use]
pub fn key(owner: &Owner, market: &str, company: &str, filing: &FilingId) -> PersonKey {
    let name = normalised(&owner.name);
    PersonKey(match &owner.id {
        Some(id) => format!("{market}:{id}"),
        None if name.is_empty() => format!("{market}:{company}/?{filing}"), // nobody else's
        None => format!("{market}:{company}/{name}"),
    })
}

/// Two groups that became one: what is kept by place moves from `gone` to `kept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Goes on.
    pub kept: usize,
    /// Is no group any more.
    pub gone: usize,
}

/// The groups of one company's insiders. They only grow: what is known of who belongs to whom is not forgotten when a filing is amended.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    places: HashMap<PersonKey, usize>,
    /// Owners of that name.
    named: HashMap<String, Vec<usize>>,
    /// Who waits for an owner of that name to appear.
    waiting: HashMap<String, Vec<usize>>,
    parent: Vec<usize>,
    members: Vec<Vec<PersonKey>>,
}

impl Groups {
    /// Takes in a declaration's people: they are one insider, with the managers to whom they are close. Gives the group's place, and which
    /// groups became one.
    pub fn admit(&mut self, record: &DeclarationRecord) -> (usize, Vec<Joined>) {
        let mut joined = Vec::new();
        let mut group = None;
        for (n, key) in record.people.iter().enumerate() {
            let name = record.names.get(n).map_or("", String::as_str);
            let place = self.place(key, name, &mut joined);
            joined.extend(group.and_then(|group| self.join(group, place)));
            group = group.or(Some(place));
        }
        let Some(place) = group else {
            // a declaration of nobody's: a group of its own
            let place = self.place(&PersonKey(format!("?{}", record.filing)), "", &mut joined);
            return (place, joined);
        };
        for manager in record.close_to.iter().filter(|name| !name.is_empty()) {
            joined.extend(self.follow(place, manager));
        }
        (self.find(place), joined)
    }

    /// Makes two groups one. `None` where they are already.
    pub fn join(&mut self, one: usize, other: usize) -> Option<Joined> {
        let (one, other) = (self.find(one), self.find(other));
        if one == other {
            return None;
        }
        // the smaller into the larger, so that no chain grows long
        let larger = self.members[one].len() >= self.members[other].len();
        let (kept, gone) = if larger { (one, other) } else { (other, one) };
        self.parent[gone] = kept;
        let moved = std::mem::take(&mut self.members[gone]);
        self.members[kept].extend(moved);
        Some(Joined { kept, gone })
    }

    /// The group in which a place is now.
    #[must_use]
    pub fn find(&self, mut place: usize) -> usize {
        while let Some(&parent) = self.parent.get(place)
            && parent != place
        {
            place = parent;
        }
        place
    }

    /// Everyone in the group of a place.
    #[must_use]
    pub fn members(&self, place: usize) -> &[PersonKey] {
        self.members
            .get(self.find(place))
            .map_or(&[], Vec::as_slice)
    }

    /// How many places there are: all are below.
    #[must_use]
    pub fn places(&self) -> usize {
        self.parent.len()
    }

    fn place(&mut self, key: &PersonKey, name: &str, joined: &mut Vec<Joined>) -> usize {
        if let Some(&place) = self.places.get(key) {
            return place;
        }
        let place = self.parent.len();
        self.places.insert(key.clone(), place);
        self.parent.push(place);
        self.members.push(vec![key.clone()]);
        if !name.is_empty() {
            self.named.entry(name.to_owned()).or_default().push(place);
            for follower in self.waiting.remove(name).unwrap_or_default() {
                joined.extend(self.join(place, follower));
            }
        }
        place
    }

    /// A spouse or vehicle joins its manager, known by name alone. Of two managers with one name it is not known which is meant.
    fn follow(&mut self, place: usize, manager: &str) -> Option<Joined> {
        let Some(named) = self.named.get(manager) else {
            let waiting = self.waiting.entry(manager.to_owned()).or_default();
            waiting.push(place);
            return None;
        };
        let first = self.find(*named.first()?);
        let one = named.iter().all(|place| self.find(*place) == first);
        one.then(|| self.join(first, place)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_however_spelt() {
        let check = |name: &str, expected: &str| assert_eq!(normalised(name), expected, "{name}");
        check(
            "CARL-JOHAN ZETTERBERG BOUDRIE",
            "carljohanzetterbergboudrie",
        );
        check("A Nthony Coombs", "anthonycoombs");
        check("Sir Warren East", "warreneast");
        check("Dr. Åsa O'Hara", "åsaohara");
        check(" - ", "");
    }

    #[test]
    fn a_number_is_good_everywhere_and_a_name_in_one_company() {
        let filing = FilingId("SEC:1".into());
        let mut owner = Owner {
            name: "Doe Jane".into(),
            ..Owner::default()
        };
        let known = |owner: &Owner| key(owner, "us", "acme", &filing).0;
        assert_eq!(known(&owner), "us:acme/doejane");
        owner.id = Some("0000000007".into());
        assert_eq!(known(&owner), "us:0000000007");
        assert_eq!(known(&Owner::default()), "us:acme/?SEC:1");
    }
}
