//! The reference's own two samples, run unchanged but for base URL, key and slug.

use std::{fs, path::Path, process::Command};

use super::{
    clients::{scratch, skip, succeed},
    insider_data::House,
    openapi::tools,
};

/// A sample of the reference with our base URL and slug, in a folder of its own.
fn sample(house: &House, name: &str, slug: &str) -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("tests/it/reference").join(name)).unwrap();
    assert!(text.contains("https://insiders-trades.com"));
    let text = text
        .replace("https://insiders-trades.com", &house.server.url())
        .replace("bouygues-1454", slug);
    let place = scratch(&format!("reference-{name}"));
    fs::create_dir_all(&place).unwrap();
    let file = place.join(name);
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn top_signals_in_javascript() {
    if let Err(why) = succeed(Command::new("node").arg("--version")) {
        return skip("the reference's JavaScript sample", &why);
    }
    let house = House::start();
    let file = sample(&house, "top_signals.mjs", "");
    let mut run = Command::new("node");
    run.arg(&file).env("INSIDERS_API_KEY", &house.key.text);
    let output = succeed(&mut run).unwrap_or_else(|why| panic!("{why}"));
    let said = String::from_utf8(output.stdout).unwrap();
    let mut lines = said.lines();
    let head = lines.next().unwrap();
    assert!(
        head.contains(" signals · latency ") && head.ends_with("ms"),
        "{said}"
    );
    let best = house.get("/signals?lookbackDays=1&minScore=50&limit=10");
    let items = best["items"].as_array().unwrap();
    assert!(
        !items.is_empty(),
        "the data has a signal of the last day: {best}"
    );
    assert_eq!(lines.clone().count(), items.len());
    for (line, item) in lines.zip(items) {
        let expected = format!(
            "[{}] {:<32} {} · {}€",
            item["signal"]["score"],
            item["company"]["name"].as_str().unwrap(),
            item["insider"]["name"].as_str().unwrap(),
            item["transaction"]["amount"],
        );
        assert_eq!(line, expected);
    }
}

#[test]
fn csv_export_in_python() {
    let python = match tools() {
        Ok(python) => python,
        Err(why) => return skip("the reference's Python sample", &why),
    };
    let house = House::start();
    let company = house.get("/companies?q=otter")["items"][0].clone();
    let slug = company["slug"].as_str().unwrap();
    let file = sample(&house, "export_declarations.py", slug);
    let mut run = Command::new(python);
    run.arg(&file)
        .current_dir(file.parent().unwrap())
        .env("INSIDERS_API_KEY", &house.key.text);
    let output = succeed(&mut run).unwrap_or_else(|why| panic!("{why}"));
    let total = company["declarationsCount"].as_u64().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.trim(), format!("Wrote {total} rows"));
    let table = file.with_file_name("bouygues_declarations.csv");
    let mut reader = csv::Reader::from_path(table).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len() as u64, total);
    assert_eq!(&rows[0][1], "Owner 13");
    assert_eq!(&rows[0][3], "Purchase");
    assert_eq!(&rows[0][4], "US0000000075");
    assert_eq!(&rows[0][7], "10120");
    assert!(rows[0][8].parse::<f64>().unwrap() >= 50.0, "{:?}", rows[0]);
}
