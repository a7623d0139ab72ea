//! A fact as the NDJSON line that reads back as the same fact: the form in which it is stored.

use std::fmt::Write as _;

use super::{
    swap::{Amount, Direction, Fact, Side, Swap, TokenFact, Transfer},
    time::Time,
};

/// Writes a fact as the line that reads back as the same fact: the form in which it is stored.
#[must_use]
pub fn write(fact: &Fact) -> String {
    let mut out = LineWriter(String::with_capacity(320));
    match fact {
        Fact::Swap(swap) => out.swap(swap),
        Fact::Transfer(transfer) => out.transfer(transfer),
        Fact::Token(token) => out.token(token),
        Fact::Wallet(wallet) => {
            out.begin("wallet");
            out.text("wallet", &wallet.wallet);
            out.raw("time", micros(wallet.time));
            if let Some(labels) = &wallet.labels {
                let words: Vec<String> =
                    labels.iter().map(|l| format!("\"{}\"", l.word())).collect();
                out.raw("labels", format!("[{}]", words.join(",")));
            }
            out.text_if("first_funder", wallet.first_funder.as_deref());
        }
        Fact::SolPrice(price) => {
            out.begin("sol_price");
            out.raw("time", micros(price.time));
            out.raw("usd", price.usd);
        }
    }
    out.0.push('}');
    out.0
}

/// Microseconds survive only in the ISO form; whole milliseconds are shorter as an integer.
fn micros(time: Time) -> String {
    if time.0 % 1000 == 0 {
        time.unix_ms().to_string()
    } else {
        let fraction = time.0.rem_euclid(Time::SECOND);
        let whole = Time(time.0 - fraction).to_string();
        format!("\"{}{fraction:06}Z\"", whole.trim_end_matches("000Z"))
    }
}

struct LineWriter(String);

impl LineWriter {
    fn begin(&mut self, kind: &str) {
        let _ = write!(self.0, "{{\"v\":1,\"type\":\"{kind}\"");
    }

    fn raw(&mut self, field: &str, value: impl std::fmt::Display) {
        let _ = write!(self.0, ",\"{field}\":{value}");
    }

    fn raw_if(&mut self, field: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.raw(field, value);
        }
    }

    fn text(&mut self, field: &str, value: &str) {
        let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        if value.bytes().all(is_plain) {
            // almost every text is an address, of which there are three in a swap
            for part in [",\"", field, "\":\"", value, "\""] {
                self.0.push_str(part);
            }
        } else {
            self.raw(field, serde_json::Value::from(value));
        }
    }

    fn text_if(&mut self, field: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(field, value);
        }
    }

    fn swap(&mut self, swap: &Swap) {
        self.begin("swap");
        self.text("signature", &swap.signature);
        self.raw_if("index", (swap.index != 0).then_some(swap.index));
        self.raw_if("slot", swap.slot);
        self.raw_if("tx_index", swap.tx_index);
        self.raw("time", micros(swap.time));
        self.text("wallet", &swap.wallet);
        self.text("mint", &swap.mint);
        self.text(
            "side",
            if swap.side == Side::Buy {
                "buy"
            } else {
                "sell"
            },
        );
        self.raw("token_amount", format_args!("\"{}\"", swap.token_amount));
        match swap.amount {
            Amount::Usd(usd) => self.raw("amount_usd", usd),
            Amount::Sol(sol) => self.raw("amount_sol", sol),
        }
        self.raw_if("fee_usd", (swap.fee.0 != 0).then_some(swap.fee));
        self.text_if("dex", swap.dex.as_deref());
    }

    fn transfer(&mut self, transfer: &Transfer) {
        self.begin("transfer");
        self.text("signature", &transfer.signature);
        self.raw_if("index", (transfer.index != 0).then_some(transfer.index));
        self.raw_if("slot", transfer.slot);
        self.raw_if("tx_index", transfer.tx_index);
        self.raw("time", micros(transfer.time));
        self.text("wallet", &transfer.wallet);
        self.text("mint", &transfer.mint);
        self.text(
            "direction",
            if transfer.direction == Direction::In {
                "in"
            } else {
                "out"
            },
        );
        self.raw(
            "token_amount",
            format_args!("\"{}\"", transfer.token_amount),
        );
        self.text_if("counterparty", transfer.counterparty.as_deref());
    }

    fn token(&mut self, token: &TokenFact) {
        self.begin("token");
        self.text("mint", &token.mint);
        self.raw("time", micros(token.time));
        let info = &token.info;
        self.text_if("symbol", info.symbol.as_deref());
        self.text_if("name", info.name.as_deref());
        self.text_if("image_url", info.image_url.as_deref());
        self.text_if("dex", info.dex.as_deref());
        self.raw_if("created_at", info.created_at.map(micros));
        self.raw_if("decimals", info.decimals);
        self.raw_if("market_cap_usd", info.market_cap_usd.map(|n| n.0));
        self.raw_if("liquidity_usd", info.liquidity_usd.map(|n| n.0));
        self.raw_if("price_usd", info.price_usd.map(|n| n.0));
        self.raw_if("price_sol", info.price_sol.map(|n| n.0));
        self.raw_if("mint_renounced", info.mint_renounced);
        self.raw_if("freeze_renounced", info.freeze_renounced);
        self.raw_if("top10_holders_pct", info.top10_holders_pct.map(|n| n.0));
        self.raw_if("max_holder_pct", info.max_holder_pct.map(|n| n.0));
        self.raw_if("lp_locked", info.lp_locked);
        self.raw_if("bonding_curve", info.bonding_curve);
        self.raw_if("permanent_delegate", info.permanent_delegate);
        self.text_if("deployer", info.deployer.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_text_reads_back(text in "(\\PC|[\"\\\\\n\t\u{0}\u{1f}\u{7f}]){0,12}") {
            let mut out = LineWriter(String::from("{\"v\":1"));
            out.text("text", &text);
            out.0.push('}');
            let read: serde_json::Value = serde_json::from_str(&out.0)?;
            prop_assert_eq!(read["text"].as_str(), Some(&*text));
        }
    }
}
