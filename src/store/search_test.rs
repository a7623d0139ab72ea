//! Names are found the same way whether the few that have a word are gathered, or the many looked through.

use super::{companies::Named, db::Db, sql::query, sqlite::Config};

/// So many insiders, of which each has the word `ada`, every second `ben`, every hundredth `carla`, every seventh `adam`. Numbers and declarations ascend,
/// names descend.
const MANY: i64 = 6_000;

fn words(number: i64) -> Vec<&'static str> {
    let mut words = vec!["ada"];
    words.extend((number % 2 == 0).then_some("ben"));
    words.extend((number % 100 == 0).then_some("carla"));
    // begins as another one of the same name
    words.extend((number % 7 == 0).then_some("adam"));
    words
}

async fn with_names(dir: &std::path::Path) -> Db {
    let config = Config {
        readers: 1,
        writer_cache_kb: 8_000,
        busy_seconds: 5,
        checkpoint_pages: 1_000,
    };
    let db = Db::open_sqlite(dir, &config).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let mut names = Vec::new();
    for number in 1..=MANY {
        let market = if number % 3 == 0 { "se" } else { "us" };
        let name = format!("{:06} {}", MANY - number, words(number).join(" "));
        query("insert into insiders (number, key, market, name, named_at, slug, declarations, companies) values ($1, $2, $3, $2, 0, $2, $4, 1)")
            .bind(number).bind(&name).bind(market).bind(number / 10).execute(&mut tx).await.unwrap();
        names.push((number, name));
    }
    let named: Vec<(i64, &str)> = (names.iter())
        .map(|(number, name)| (*number, name.as_str()))
        .collect();
    tx.put_words(Named::Insider, &named).await.unwrap();
    db.commit(tx).await.unwrap();
    db
}

/// Of those that pass, a part: by name, or the most declarations first.
fn expected(text: &str, market: Option<&str>, by_name: bool, limit: i64, offset: i64) -> Vec<i64> {
    let passes = |number: &i64| {
        let of = if number % 3 == 0 { "se" } else { "us" };
        market.is_none_or(|market| market == of)
            && text
                .split(' ')
                .all(|word| words(*number).iter().any(|known| known.starts_with(word)))
    };
    let mut found: Vec<i64> = (1..=MANY).filter(passes).collect();
    match by_name {
        true => found.reverse(),
        false => found.sort_by_key(|number| (-(number / 10), *number)),
    }
    let (limit, offset) = (usize::try_from(limit), usize::try_from(offset));
    let rest = found.into_iter().skip(offset.unwrap());
    rest.take(limit.unwrap()).collect()
}

#[test]
fn what_is_found_does_not_depend_on_how_many_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let db = with_names(dir.path()).await;
        for text in [
            "ada", "ad", "be", "ada be", "carla", "be car", "zz", "ad zz",
        ] {
            for market in [None, Some("se")] {
                let all = expected(text, market, true, MANY, 0).len();
                let count = db.count_insiders(Some(text), market).await.unwrap();
                assert_eq!(usize::try_from(count), Ok(all), "{text} {market:?}");
                for (limit, offset) in [(8, 0), (50, 30), (50, 950), (500, 2_900), (MANY, 0)] {
                    let what = format!("{text} {market:?} {limit} {offset}");
                    let found = db.search_numbers(text, market, limit, offset).await;
                    let found: Vec<i64> = found
                        .unwrap()
                        .into_iter()
                        .map(|(_, number)| number)
                        .collect();
                    assert_eq!(
                        found,
                        expected(text, market, false, limit, offset),
                        "{what}"
                    );
                    let listed = db.insider_numbers(Some(text), market, limit, offset).await;
                    let want = expected(text, market, true, limit, offset);
                    assert_eq!(listed.unwrap(), want, "{what}");
                }
            }
        }
        let near = db.look(Named::Insider, "ada", 8).await.unwrap();
        assert!(near.is_in_order(), "many, and only the first of them");
        let rare = db.look(Named::Insider, "ada carla", 8).await.unwrap();
        assert!(!rare.is_in_order(), "few have the rarer word");
    });
}
