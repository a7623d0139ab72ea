//! Opening a source: bytes and a format in, facts and reasons out, one at a time.

use std::{collections::VecDeque, io, io::BufRead};

use super::{
    helius::Helius,
    jupiter::JupiterTokens,
    pumpfun::PumpfunCsv,
    rows::{Elements, Lines},
    rugcheck::Rugcheck,
    source::{Format, Importer, Rejected},
};
use crate::model::{fact_line, swap::Fact, time::Time};

/// The facts of a file or body, read as they are asked for: one row is held at a time.
///
/// Ends at the end of the stream or at the first read error; ask [`Facts::error`] which of the two it was.
pub struct Facts<R> {
    rows: Rows<R>,
    importer: Box<dyn Importer + Send>,
    row: Vec<u8>,
    read: Vec<Fact>,
    ready: VecDeque<Fact>,
    line: u64,
    error: Option<io::Error>,
    ended: bool,
}

enum Rows<R> {
    Lines(Lines<R>),
    Elements(Elements<R>),
}

/// Our own lines.
#[derive(Debug, Default)]
struct Ndjson;

impl Importer for Ndjson {
    fn read(&mut self, row: &[u8], out: &mut Vec<Fact>) -> Result<(), String> {
        out.push(fact_line::parse(row).map_err(|e| e.0)?);
        Ok(())
    }
}

impl<R: BufRead> Facts<R> {
    /// Reads `reader` as `format`. `received_at` is the event time of Helius transactions that carry none (a webhook's moment of
    /// arrival, or what the operator gave); without it they are rejected. Other formats carry their times.
    pub fn new(format: Format, reader: R, received_at: Option<Time>) -> Self {
        let (rows, importer): (_, Box<dyn Importer + Send>) = match format {
            Format::Ndjson => (Rows::Lines(Lines::new(reader)), Box::new(Ndjson)),
            Format::PumpfunCsv => (
                Rows::Lines(Lines::new(reader)),
                Box::new(PumpfunCsv::default()),
            ),
            Format::JupiterTokens => (
                Rows::Elements(Elements::new(reader, true)),
                Box::new(JupiterTokens),
            ),
            Format::Rugcheck => (
                Rows::Elements(Elements::new(reader, false)),
                Box::new(Rugcheck),
            ),
            Format::Helius => (
                Rows::Elements(Elements::new(reader, false)),
                Box::new(Helius { received_at }),
            ),
        };
        Facts {
            rows,
            importer,
            row: Vec::new(),
            read: Vec::new(),
            ready: VecDeque::new(),
            line: 0,
            error: None,
            ended: false,
        }
    }

    /// The line (or ordinal of the element) of the item handed out last: a fact may still be refused further on.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Why the stream ended before its end, if it did.
    #[must_use]
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// The same, to keep.
    #[must_use]
    pub fn into_error(self) -> Option<io::Error> {
        self.error
    }
}

impl<R: BufRead> Iterator for Facts<R> {
    type Item = Result<Fact, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(fact) = self.ready.pop_front() {
                return Some(Ok(fact));
            }
            if self.ended {
                return None;
            }
            let (next, elements) = match &mut self.rows {
                Rows::Lines(lines) => (lines.next(&mut self.row), false),
                Rows::Elements(elements) => (elements.next(&mut self.row), true),
            };
            let line = match next {
                Ok(Some(Ok(line))) => line,
                Ok(Some(Err(rejected))) => {
                    self.line = rejected.line;
                    return Some(Err(rejected));
                }
                Ok(None) => {
                    self.ended = true;
                    return None;
                }
                Err(error) => {
                    self.error = Some(error);
                    self.ended = true;
                    return None;
                }
            };
            self.line = line;
            match self.importer.read(&self.row, &mut self.read) {
                Ok(()) => self.ready.extend(self.read.drain(..)),
                Err(reason) => {
                    self.read.clear();
                    let reason = if elements {
                        format!("element {line}: {reason}")
                    } else {
                        reason
                    };
                    return Some(Err(Rejected { line, reason }));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{
        money::{Exact, MicroUsd, parse_decimal},
        swap::{Amount, Side, Swap, TokenInfo},
    };

    const CSV: &str = "id,sig,slot,timestamp,mint,user,is_buy,sol_amount,token_amount,created_at\n\
        1,sigA,100,1760978515,mintA,walletA,1,1500000000,7000,2025-10-20 16:41:57\n\
        2,sigA,100,1760978515,mintA,walletA,0,1400000000,6000,2025-10-20 16:41:57\n\
        3,sigA,100,1760978515,mintA,walletB,1,5,1,\"quoted, with a comma\"\n";
    const JUPITER: &str = r#"{"recent":[{"id":"mintA","name":"A","symbol":"AA","icon":"https://a.example/a.png",
        "decimals":6,"dev":"devA","launchpad":"pump.fun","mcap":3734.5199136678402,"usdPrice":3.5e-06,"liquidity":2873,
        "audit":{"mintAuthorityDisabled":true,"topHoldersPercentage":22.5},"freezeAuthority":"authA",
        "createdAt":"2026-08-14T18:54:24Z","updatedAt":"2026-08-14T18:54:28.518899718Z","tags":["x"]}],
        "old":[{"id":"mintB","updatedAt":"2026-08-14T18:00:00Z","graduatedAt":"2026-08-14T17:00:00Z"},{"id":"mintC"}],"at":"now"}"#;
    const RUGCHECK: &str = r#"[{"mint":"mintA","name":"","symbol":"AA","creator":"devA","score_normalised":80,"risk":"LOW",
        "detected_at":"2025-08-08 01:32:23 UTC+01:00","risks":[
        {"name":"Mint Authority still enabled","value":"","description":"","score":1,"level":"danger"},
        {"name":"Single holder ownership","value":"26.42%"},{"name":"Single holder ownership","value":"62.50%"},
        {"name":"Low Liquidity","value":"$5.17"},{"name":"Large Amount of LP Unlocked","value":"100.00%"},
        {"name":"Top 10 holders high ownership","value":"","description":"The top 10 users hold more than 70% token supply"}]},
        {"mint":"mintB","detected_at":"yesterday"}]"#;
    /// A wallet that buys with 2 SOL: wrapped, with the rent of a new token account and the fee beside it.
    const BALANCES: &str = r#"[{"signature":"sigA","type":"SWAP","source":"PUMP_AMM","fee":5000,"feePayer":"walletA","slot":7,
        "timestamp":1760978515,"transactionError":null,"accountData":[
        {"account":"walletA","nativeBalanceChange":-2002044280,"tokenBalanceChanges":[]},
        {"account":"ataA","nativeBalanceChange":2039280,"tokenBalanceChanges":[{"userAccount":"walletA","tokenAccount":"ataA",
            "rawTokenAmount":{"tokenAmount":"700","decimals":6},"mint":"mintA"}]},
        {"account":"poolA","nativeBalanceChange":2000000000,"tokenBalanceChanges":[{"userAccount":"pool","tokenAccount":"poolA",
            "rawTokenAmount":{"tokenAmount":"2000000000","decimals":9},"mint":"So11111111111111111111111111111111111111112"}]}]}]"#;
    const EVENTS: &str = r#"[
        {"signature":"sell","source":"RAYDIUM","timestamp":1760978515,"feePayer":"walletA","events":{"swap":{
            "tokenInputs":[{"userAccount":"walletA","mint":"mintA","rawTokenAmount":{"tokenAmount":"500","decimals":6}}],
            "tokenOutputs":[{"userAccount":"walletA","mint":"EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
                "rawTokenAmount":{"tokenAmount":"12340000","decimals":6}}],"innerSwaps":[]}}},
        {"signature":"across","source":"JUPITER","timestamp":1760978515,"feePayer":"walletA","events":{"swap":{
            "tokenInputs":[{"userAccount":"walletA","mint":"mintA","rawTokenAmount":{"tokenAmount":"500","decimals":6}}],
            "tokenOutputs":[{"userAccount":"walletA","mint":"mintB","rawTokenAmount":{"tokenAmount":"9","decimals":0}}],
            "innerSwaps":[{"tokenInputs":[{"mint":"mintA","tokenAmount":0.0005}],
                "tokenOutputs":[{"mint":"So11111111111111111111111111111111111111112","tokenAmount":0.30000000000000004}]},
                {"tokenInputs":[{"mint":"So11111111111111111111111111111111111111112","tokenAmount":0.3}],
                "tokenOutputs":[{"mint":"mintB","tokenAmount":9}]}]}}},
        {"signature":"unpriced","timestamp":1760978515,"feePayer":"walletA","events":{"swap":{
            "tokenInputs":[{"userAccount":"walletA","mint":"mintA","rawTokenAmount":{"tokenAmount":"500","decimals":6}}],
            "tokenOutputs":[{"userAccount":"walletA","mint":"mintB","rawTokenAmount":{"tokenAmount":"9","decimals":0}}]}}},
        {"signature":"topup","timestamp":1760978515,"feePayer":"walletA","fee":5000,"events":{"swap":{
            "nativeInput":{"account":"walletA","amount":"123456"},
            "tokenOutputs":[{"userAccount":"walletA","mint":"mintA","rawTokenAmount":{"tokenAmount":"500","decimals":6}}]}},
            "accountData":[{"account":"walletA","nativeBalanceChange":-1000005000},{"account":"ata","tokenBalanceChanges":[
            {"userAccount":"walletA","mint":"mintA","rawTokenAmount":{"tokenAmount":"500","decimals":6}}]}]},
        {"signature":"failed","transactionError":{"error":"x"}},
        {"signature":"moved","type":"TRANSFER","feePayer":"walletA"},
        {"signature":"transfers","type":"SWAP","timestamp":1760978515,"feePayer":"walletA",
            "tokenTransfers":[{"fromUserAccount":"curve","toUserAccount":"walletA","toTokenAccount":"ata","tokenAmount":1.5,"mint":"mintA"}],
            "nativeTransfers":[{"fromUserAccount":"walletA","toUserAccount":"curve","amount":900},
                {"fromUserAccount":"walletA","toUserAccount":"ata","amount":2039280}],
            "accountData":[{"account":"x","tokenBalanceChanges":[{"userAccount":"curve","mint":"mintA",
                "rawTokenAmount":{"tokenAmount":"-1500000","decimals":6}}]}]}]"#;

    fn read(format: Format, text: &[u8]) -> (Vec<Fact>, Vec<Rejected>) {
        let (mut facts, mut rejected) = (Vec::new(), Vec::new());
        for item in Facts::new(format, text, None) {
            match item {
                Ok(fact) => facts.push(fact),
                Err(reason) => rejected.push(reason),
            }
        }
        (facts, rejected)
    }

    fn swaps(facts: &[Fact]) -> Vec<&Swap> {
        let swaps = facts.iter().map(|fact| match fact {
            Fact::Swap(swap) => swap,
            other => panic!("{other:?}"),
        });
        swaps.collect()
    }

    fn info(fact: &Fact) -> &TokenInfo {
        match fact {
            Fact::Token(token) => &token.info,
            other => panic!("{other:?}"),
        }
    }

    fn sol(text: &str) -> Amount {
        Amount::Sol(parse_decimal(text).unwrap())
    }

    fn exact(text: &str) -> Option<Exact> {
        Some(Exact(parse_decimal(text).unwrap()))
    }

    #[test]
    fn ndjson_lines_carry_their_numbers() {
        let text = b"{\"type\":\"sol_price\",\"time\":1760978515000,\"usd\":150}\r\n\nno\n";
        let (facts, rejected) = read(Format::Ndjson, text);
        assert_eq!(facts.len(), 1);
        assert_eq!(
            (rejected[0].line, &*rejected[0].reason),
            (3, "not a JSON object")
        );
    }

    #[test]
    fn every_line_of_the_manual_reads() {
        let manual = include_str!("../../docs/ingest.md");
        let lines: Vec<_> = manual
            .lines()
            .filter(|line| line.starts_with("{\"v\":1"))
            .collect();
        let (facts, rejected) = read(Format::Ndjson, lines.join("\n").as_bytes());
        assert_eq!((facts.len(), rejected), (6, vec![]));
        let kinds: std::collections::BTreeSet<_> = facts
            .iter()
            .map(|fact| format!("{fact:?}").split('(').next().map(str::to_owned))
            .collect();
        assert_eq!(kinds.len(), 5, "an example of each type");
    }

    #[test]
    fn pumpfun_counts_the_swaps_of_a_transaction() {
        let (facts, rejected) = read(Format::PumpfunCsv, CSV.as_bytes());
        assert!(rejected.is_empty(), "{rejected:?}");
        let swaps = swaps(&facts);
        let seen: Vec<_> = swaps
            .iter()
            .map(|s| (s.index, s.side, s.tx_index))
            .collect();
        let want = [
            (0, Side::Buy, Some(1)),
            (1, Side::Sell, Some(2)),
            (0, Side::Buy, Some(3)),
        ];
        assert_eq!(seen, want);
        assert_eq!(swaps[0].amount, sol("1.5"));
        assert_eq!(
            read(Format::PumpfunCsv, CSV.as_bytes()).0,
            facts,
            "again the same"
        );
    }

    #[test]
    fn pumpfun_says_what_is_wrong() {
        let header = CSV.lines().next().unwrap();
        for (row, why) in [
            ("1,s,1,1760978515,m,u,2,5,5,x", "is_buy: neither 0 nor 1"),
            ("1,s,1,1760978515,m,u,1,5,0,x", "token_amount: zero"),
            (
                "1,s,1,1760978515,m,u,1,-5,5,x",
                "sol_amount: `-5` is not an integer in range",
            ),
            ("1,s,1", "3 columns where the header has 10"),
            (
                "1,,1,1760978515,m,u,1,5,5,x",
                "sig: not an address of 1 to 128 visible letters",
            ),
        ] {
            let (_, rejected) = read(Format::PumpfunCsv, format!("{header}\n{row}").as_bytes());
            assert_eq!((rejected[0].line, &*rejected[0].reason), (2, why));
        }
        let (_, rejected) = read(Format::PumpfunCsv, b"a,b\n1,2\n");
        assert_eq!(rejected[0].reason, "header: no column `sig`");
        assert_eq!(rejected.len(), 2);
    }

    #[test]
    fn jupiter_tells_what_is_told() {
        let (facts, rejected) = read(Format::JupiterTokens, JUPITER.as_bytes());
        assert_eq!(rejected[0].reason, "element 3: updatedAt: missing");
        let first = info(&facts[0]);
        assert_eq!(
            (first.mint_renounced, first.freeze_renounced),
            (Some(true), Some(false))
        );
        assert_eq!(first.top10_holders_pct, exact("22.5"));
        assert_eq!(first.price_usd, exact("0.0000035"));
        assert_eq!(first.market_cap_usd, exact("3734.5199136678402"));
        assert_eq!((first.bonding_curve, first.lp_locked), (Some(true), None));
        assert_eq!(first.deployer.as_deref(), Some("devA"));
        let second = info(&facts[1]);
        assert_eq!(
            (second.bonding_curve, second.mint_renounced),
            (Some(false), None)
        );
    }

    #[test]
    fn rugcheck_claims_only_what_its_risks_say() {
        let (facts, rejected) = read(Format::Rugcheck, RUGCHECK.as_bytes());
        assert!(
            rejected[0]
                .reason
                .starts_with("element 2: detected_at: `yesterday`")
        );
        assert_eq!(facts[0].time().to_string(), "2025-08-08T00:32:23.000Z");
        let told = info(&facts[0]);
        let want = TokenInfo {
            symbol: Some("AA".into()),
            deployer: Some("devA".into()),
            mint_renounced: Some(false),
            lp_locked: Some(false),
            liquidity_usd: exact("5.17"),
            max_holder_pct: exact("62.50"),
            top10_holders_pct: exact("70"),
            ..TokenInfo::default()
        };
        assert_eq!(told, &want);
    }

    #[test]
    fn helius_balances_leave_rent_and_fee_out() {
        let (facts, rejected) = read(Format::Helius, BALANCES.as_bytes());
        assert!(rejected.is_empty(), "{rejected:?}");
        let swap = swaps(&facts)[0];
        assert_eq!(
            (swap.side, swap.token_amount, swap.amount),
            (Side::Buy, 700, sol("2"))
        );
        assert_eq!(
            (swap.slot, swap.dex.as_deref()),
            (Some(7), Some("PUMP_AMM"))
        );
        let bare = BALANCES.replace("\"feePayer\":\"walletA\",", "");
        let (facts, _) = read(Format::Helius, bare.as_bytes());
        assert_eq!(
            &*swaps(&facts)[0].wallet,
            "walletA",
            "the first account pays"
        );
        let untimed = BALANCES.replace("\"timestamp\":1760978515,", "");
        let (_, rejected) = read(Format::Helius, untimed.as_bytes());
        assert!(rejected[0].reason.contains("timestamp: missing"));
    }

    #[test]
    fn helius_events_and_transfers() {
        let (facts, rejected) = read(Format::Helius, EVENTS.as_bytes());
        let got: Vec<_> = swaps(&facts)
            .iter()
            .map(|s| {
                (
                    s.signature.to_string(),
                    s.index,
                    s.side,
                    s.token_amount,
                    s.amount,
                )
            })
            .collect();
        let want = [
            (
                "sell".to_owned(),
                0,
                Side::Sell,
                500,
                Amount::Usd(MicroUsd(12_340_000)),
            ),
            ("across".to_owned(), 0, Side::Sell, 500, sol("0.3")),
            ("across".to_owned(), 1, Side::Buy, 9, sol("0.3")),
            ("topup".to_owned(), 0, Side::Buy, 500, sol("1")),
            (
                "transfers".to_owned(),
                0,
                Side::Buy,
                1_500_000,
                sol("0.0000009"),
            ),
        ];
        assert_eq!(got, want);
        let reasons: Vec<_> = rejected.iter().map(|r| &*r.reason).collect();
        let want = [
            "element 3: token for token: no money leg prices it",
            "element 5: the transaction failed",
            "element 6: type: `TRANSFER` is no SWAP",
        ];
        assert_eq!(reasons, want);
    }

    #[test]
    fn a_broken_reader_is_told_from_the_end() {
        struct Broken;
        impl io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let mut facts = Facts::new(Format::Ndjson, io::BufReader::new(Broken), None);
        assert!(facts.next().is_none());
        assert!(facts.error().is_some());
    }

    fn fixtures() -> [(Format, &'static str); 6] {
        [
            (Format::Ndjson, include_str!("../../docs/ingest.md")),
            (Format::PumpfunCsv, CSV),
            (Format::JupiterTokens, JUPITER),
            (Format::Rugcheck, RUGCHECK),
            (Format::Helius, BALANCES),
            (Format::Helius, EVENTS),
        ]
    }

    proptest! {
        #[test]
        fn no_bytes_make_an_importer_panic_or_loop(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for (_, format) in Format::WORDS {
                let (facts, rejected) = read(format, &bytes);
                prop_assert!(facts.len() + rejected.len() <= 2 * bytes.len() + 2);
            }
        }

        #[test]
        fn no_mutation_of_a_fixture_does(
            which in 0_usize..6, at in any::<prop::sample::Index>(), byte in any::<u8>(),
            cut in any::<prop::sample::Index>(), digits in "[0-9]{1,40}"
        ) {
            let (format, text) = fixtures()[which];
            let mut bytes = text.as_bytes().to_vec();
            let here = at.index(bytes.len());
            bytes[here] = byte;
            read(format, &bytes);
            bytes.truncate(cut.index(bytes.len()));
            read(format, &bytes);
            // absurd numbers where numbers stand
            let mut swollen = text.as_bytes().to_vec();
            if let Some(place) = swollen[here..].iter().position(u8::is_ascii_digit) {
                swollen.splice(here + place..=here + place, digits.bytes());
            }
            read(format, &swollen);
        }
    }
}
