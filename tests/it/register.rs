//! For the tests of insider filings: submissions, declarations and closes of one's own, and what a store holds of them.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::Arc,
    time::Duration,
};

use super::place::Place;
use serde_json::{Value, json};
use sigcast::{
    model::time::Time,
    store::{
        data_version::DataVersion, declaration_filter::Filter, declaration_list::Slice,
        served::Served, stale::Backlog,
    },
};

pub const WITHIN: Duration = Duration::from_secs(30);

/// A submission as EDGAR publishes it.
pub struct Form<'a> {
    pub number: u32,
    pub form: &'a str,
    pub issuer: u32,
    pub owner: u32,
    pub code: &'a str,
    /// `20230601160000`, in Washington.
    pub accepted: &'a str,
    pub traded: &'a str,
    pub shares: u32,
    pub amends: Option<&'a str>,
}

impl Default for Form<'_> {
    fn default() -> Self {
        Form {
            number: 1,
            form: "4",
            issuer: 7,
            owner: 11,
            code: "P",
            accepted: "20230601160000",
            traded: "2023-06-01",
            shares: 1_000,
            amends: None,
        }
    }
}

impl Form<'_> {
    pub fn id(&self) -> String {
        format!("0000000000-23-{:06}", self.number)
    }

    pub fn text(&self) -> String {
        let acquired = if self.code == "P" { "A" } else { "D" };
        let original = self.amends.map_or(String::new(), |day| {
            format!("<dateOfOriginalSubmission>{day}</dateOfOriginalSubmission>")
        });
        let Form {
            form,
            issuer,
            owner,
            code,
            accepted,
            traded,
            shares,
            ..
        } = self;
        let mut text = format!(
            "<SEC-DOCUMENT>{0}.txt\n<ACCEPTANCE-DATETIME>{accepted}\nACCESSION NUMBER:\t\t{0}\n<XML>\n<ownershipDocument>\n\
             <schemaVersion>X0407</schemaVersion><documentType>{form}</documentType><periodOfReport>{traded}</periodOfReport>{original}\n\
             <issuer><issuerCik>{issuer:010}</issuerCik><issuerName>Otter Works {issuer}</issuerName>\
             <issuerTradingSymbol>OT{issuer}</issuerTradingSymbol></issuer>\n\
             <reportingOwner><reportingOwnerId><rptOwnerCik>{owner:010}</rptOwnerCik><rptOwnerName>Owner {owner}</rptOwnerName>\
             </reportingOwnerId><reportingOwnerRelationship><isOfficer>1</isOfficer><officerTitle>Chief Financial Officer</officerTitle>\
             </reportingOwnerRelationship></reportingOwner>\n",
            self.id()
        );
        let _ = write!(
            text,
            "<nonDerivativeTable><nonDerivativeTransaction><securityTitle><value>Common Stock</value></securityTitle>\
             <transactionDate><value>{traded}</value></transactionDate><transactionCoding><transactionFormType>4</transactionFormType>\
             <transactionCode>{code}</transactionCode></transactionCoding><transactionAmounts><transactionShares><value>{shares}</value>\
             </transactionShares><transactionPricePerShare><value>10.5</value></transactionPricePerShare>\
             <transactionAcquiredDisposedCode><value>{acquired}</value></transactionAcquiredDisposedCode></transactionAmounts>\
             <postTransactionAmounts><sharesOwnedFollowingTransaction><value>50000</value></sharesOwnedFollowingTransaction>\
             </postTransactionAmounts><ownershipNature><directOrIndirectOwnership><value>D</value></directOrIndirectOwnership>\
             </ownershipNature></nonDerivativeTransaction></nonDerivativeTable>\n<signatureDate>{traded}</signatureDate>\n\
             </ownershipDocument>\n</XML>\n</SEC-DOCUMENT>\n"
        );
        text
    }

    pub fn put(&self, folder: &Path) -> PathBuf {
        let path = folder.join(format!("{}.txt", self.id()));
        fs::write(&path, self.text()).unwrap();
        path
    }
}

/// A data directory of one's own, and what the commands say of it.
pub struct Data(pub Arc<Place>);

impl Data {
    pub fn new() -> Self {
        Data(Arc::new(Place::new()))
    }

    pub fn run(&self, args: &[&str], stdin: &str) -> Output {
        let mut command = self.0.command(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // one that refuses its flags reads nothing
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// The exit status, and what it said in JSON.
    pub fn json(&self, args: &[&str], stdin: &str) -> (i32, Value) {
        let mut all = args.to_vec();
        all.push("--json");
        let output = self.run(&all, stdin);
        let said = String::from_utf8_lossy(&output.stdout);
        let said = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {output:?}"));
        (output.status.code().unwrap(), said)
    }

    pub fn look(&self) -> Seen {
        look(&self.0)
    }
}

/// What a store holds.
#[derive(Debug)]
pub struct Seen {
    pub version: DataVersion,
    pub waiting: Backlog,
    pub filings: i64,
    pub signals: i64,
    /// Of each declaration what is said of it, but for when.
    pub said: Vec<(String, String)>,
    /// Of each declaration what is served now, and what was before the last revision.
    pub served: Vec<(String, Served, Option<Served>)>,
}

impl Seen {
    pub fn of(&self, id: &str) -> &(String, Served, Option<Served>) {
        let found = self.served.iter().find(|(one, ..)| one == id);
        found.unwrap_or_else(|| panic!("no {id} in {:?}", self.served))
    }
}

pub fn look(place: &Place) -> Seen {
    use sigcast::model::log::LogRead as _;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let db = place.open().await;
        let filter = Filter {
            ascending: true,
            ..Filter::default()
        };
        let (mut said, mut served) = (Vec::new(), Vec::new());
        let listed = db
            .list_declarations(&filter, &Slice::of(10_000, 0), false)
            .await;
        for one in listed.unwrap() {
            let Some(now) = db.served(one.number, "s9.1", None).await.unwrap() else {
                said.push((one.amf_id, String::new()));
                continue;
            };
            let mut signal: Value = serde_json::from_str(&now.signal).unwrap();
            signal.as_object_mut().unwrap().remove("scoredAt");
            let audit = now.audit.clone().unwrap_or_default();
            said.push((one.amf_id.clone(), format!("{signal} {audit} {}", now.rest)));
            let earlier = Some(Time(now.assessed_at - 1));
            let before = db.served(one.number, "s9.1", earlier).await.unwrap();
            served.push((one.amf_id, now, before));
        }
        let seen = Seen {
            version: db.data_version().await.unwrap(),
            waiting: db.count_stale().await.unwrap(),
            filings: db.count_filings().await.unwrap(),
            signals: db.head().await.map_or(0, |head| head.seq),
            said,
            served,
        };
        db.close().await;
        seen
    })
}

pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// One declaration a line, over some companies and people, by seed.
pub fn declarations(count: u32) -> Vec<String> {
    let start = Time::parse_iso("2015-01-05T15:00:00Z").unwrap();
    let line = |n: u32| {
        let at = start.plus(i64::from(n) * Time::DAY);
        let company = n * 7 % 40;
        let day = &at.to_string()[..10];
        json!({
            "v": 1, "type": "declaration", "id": format!("SEC:0000000000-15-{n:06}"), "market": "us", "form": "4",
            "published_at": at.to_string(), "issuer": {"id": format!("{company:010}"), "name": format!("Company {company}"),
            "symbol": format!("C{company}")}, "insider": {"id": format!("{:010}", 1_000 + n * 13 % 90), "name": format!("Person {}", n * 13 % 90),
            "officer": true, "function": "Chief Executive Officer"}, "code": if n.is_multiple_of(5) { "S" } else { "P" }, "date": day,
            "instrument": "Common Stock", "shares": 100 + n % 900, "price": "10.25", "shares_after": 100_000, "direct": true,
        })
        .to_string()
            + "\n"
    };
    (0..count).map(line).collect()
}

/// Closes that make returns.
pub fn closes(folder: &Path) -> PathBuf {
    let mut text = String::from("date,SPY");
    for company in 0..40 {
        let _ = write!(text, ",C{company}");
    }
    let start: jiff::civil::Date = "2014-06-02".parse().unwrap();
    for n in 0..800_i64 {
        let day = start.checked_add(jiff::Span::new().days(n)).unwrap();
        let _ = write!(text, "\n{day}");
        for symbol in 0..41 {
            let (whole, cents) = (9 + (n * 31 + symbol * 17) % 4, n * 7 % 100);
            let _ = write!(text, ",{whole}.{cents:02}");
        }
    }
    text.push('\n');
    let path = folder.join("closes.csv");
    fs::write(&path, text).unwrap();
    path
}

pub fn without_slug((id, said): &(String, String)) -> (String, String) {
    let (before, after) = said.split_once("\"slug\":\"").expect("a slug");
    let (_, after) = after.split_once('"').expect("its end");
    (id.clone(), format!("{before}{after}"))
}

/// Filings, and companies that wait.
pub fn count(place: &Place) -> Option<(i64, i64)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let db = place.open().await;
        let seen = (
            db.count_filings().await.ok()?,
            db.count_stale().await.ok()?.companies,
        );
        db.close().await;
        Some(seen)
    })
}
