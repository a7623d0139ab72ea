//! Splits told beside closes: they undo what the file of closes was adjusted for, so that prices as filed are not doubted.

use std::fs;

use serde_json::json;

use super::register::{Data, Form, path};

/// Closes of sessions around a filing of 1 June 2023, adjusted for a reverse split of one for twenty on the 15th.
const CLOSES: &str = "date,close\n2023-05-30,208\n2023-05-31,211\n2023-06-15,190\n2023-06-16,189\n";

#[test]
fn a_reverse_split_makes_no_price_suspect_once_it_is_told() {
    let (data, folder) = (Data::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("OT7.csv");
    fs::write(&file, CLOSES).unwrap();
    let prices = ["ingest", "prices", path(&file), "--market", "us"];
    let (status, said) = data.json(&prices, "");
    assert_eq!((status, &said["splits"]), (0, &json!(0)), "{said}");
    // 10.50 as filed is 210 in new shares
    let filing = Form::default().put(folder.path());
    data.json(&["ingest", "filings", path(&filing)], "");
    let signal = || data.look().of("SEC:0000000000-23-000001").1.signal.clone();
    assert!(signal().contains("\"reason\":\"suspect\""), "{}", signal());

    let told = "date,close,Stock Splits\n2023-05-30,208,0.0\n2023-05-31,211,\n2023-06-15,190,0.05\n2023-06-16,189,0.0\n";
    fs::write(&file, told).unwrap();
    let (status, said) = data.json(&prices, "");
    assert_eq!(
        (status, &said["splits"], &said["symbols_changed"]),
        (0, &json!(1), &json!(1)),
        "{said}"
    );
    assert_eq!(said["assessments"], 1, "{said}");
    assert!(signal().contains("\"reason\":null"), "{}", signal());
    let (_, said) = data.json(&prices, "");
    assert_eq!(
        (&said["symbols_changed"], &said["assessments"]),
        (&json!(0), &json!(0)),
        "{said}"
    );

    // a file of splits alone; 1 says that there was none
    let splits = folder.path().join("splits.csv");
    fs::write(&splits, "date,ticker,split\n2023-06-15,OT7,1\n").unwrap();
    let (status, said) = data.json(&["ingest", "prices", path(&splits), "--market", "us"], "");
    assert_eq!((status, &said["assessments"]), (0, &json!(1)), "{said}");
    assert!(signal().contains("\"reason\":\"suspect\""), "{}", signal());
}
