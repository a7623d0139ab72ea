//! The pages of insider data in a real browser.

use super::{
    browser::{nothing, tell},
    insider_data::House,
};

#[test]
fn filings_are_filtered_shared_and_drawn() {
    let House { mut server, key } = House::start();
    tell("data", &mut server, &key, &[], nothing);
}
