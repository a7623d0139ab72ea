//! A report as a table for a person.

use std::{collections::BTreeMap, fmt::Write as _};

use super::report::{Delivery, Publishing, Report, Server, Times, rounded};

/// A table of two columns, in sections.
#[derive(Default)]
struct Table(String);

impl Table {
    fn section(&mut self, name: &str) {
        let _ = writeln!(self.0, "{name}");
    }

    fn row(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "  {name:<34}{value}");
    }

    fn maybe(&mut self, name: &str, value: Option<f64>, unit: &str) {
        match value {
            Some(value) => self.row(name, format!("{value} {unit}")),
            None => self.row(name, "not known"),
        }
    }

    fn times(&mut self, name: &str, times: Option<Times>) {
        if let Some(t) = times {
            let (p50, p99, p999, max) = (t.p50_ms, t.p99_ms, t.p999_ms, t.max_ms);
            self.row(
                name,
                format!("p50 {p50} ms  p99 {p99} ms  p99.9 {p999} ms  max {max} ms"),
            );
        }
    }

    fn reasons(&mut self, name: &str, reasons: &BTreeMap<String, u64>) {
        for (reason, count) in reasons {
            self.row(name, format!("{count}: {reason}"));
        }
    }
}

impl Report {
    /// For a person.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = Table::default();
        let (streams, connecting) = (&self.streams, &self.connecting);
        table.section(&format!("streams at {}", self.url));
        table.row(
            "opened, of those wanted",
            format!("{} of {}", streams.opened, streams.wanted),
        );
        table.reasons("refused", &streams.refused);
        table.reasons("ended", &streams.ended);
        if streams.reconnected > 0 {
            table.row("came back", streams.reconnected);
        }
        table.row(
            "connects",
            format!(
                "{}/s over {} s",
                connecting.connects_per_second, connecting.seconds
            ),
        );
        table.times("connect to hello", connecting.connect_to_hello);
        if let Some(publishing) = &self.publishing {
            publishing.show(&mut table);
        }
        if let Some(delivery) = &self.delivery {
            delivery.show(&mut table);
        }
        if let Some(server) = &self.server {
            server.show(&mut table);
        }
        let verdict = match (self.clean, self.interrupted) {
            (true, false) => "clean: nothing missing, nothing twice",
            (true, true) => "clean as far as it went: it was ended by hand",
            (false, false) => "not clean: see above",
            (false, true) => "ended by hand, and not clean: see above",
        };
        table.section(verdict);
        table.0.trim_end().to_owned()
    }
}

impl Publishing {
    fn show(&self, table: &mut Table) {
        table.section("publishing");
        table.row(
            "signals",
            format!(
                "{} in {} requests, {}/s over {} s",
                self.signals, self.posts, self.signals_per_second, self.seconds
            ),
        );
        table.times("request to answer", self.post_to_answer);
        table.row("latest request", format!("{} ms late", self.latest_post_ms));
        table.reasons("failed", &self.failed);
    }
}

impl Delivery {
    fn show(&self, table: &mut Table) {
        table.section("delivery");
        table.row(
            "deliveries, of those expected",
            format!("{} of {}", self.deliveries, self.expected),
        );
        table.row("missing", self.missing);
        table.row("duplicated", self.duplicated);
        table.row("gaps told", self.gaps);
        table.row("rate", format!("{}/s", self.deliveries_per_second));
        table.row(
            "read",
            format!("{} bytes a delivery", self.bytes_per_delivery),
        );
        table.times("request to arrival", self.post_to_arrival);
        table.times("answer to arrival", self.answer_to_arrival);
        table.times("request to last stream", self.post_to_last_stream);
    }
}

impl Server {
    fn show(&self, table: &mut Table) {
        table.section("server");
        table.maybe("processor time a connect", self.cpu_us_per_connect, "µs");
        if self.resident_bytes_loaded.is_some() {
            let million = "s (a delivery: as many µs)";
            table.maybe(
                "the same, a million deliveries",
                self.cpu_s_per_million_deliveries,
                million,
            );
            table.maybe("  in its own code", self.user_s_per_million_deliveries, "s");
            table.maybe("  in the kernel", self.system_s_per_million_deliveries, "s");
            table.maybe("processors busy meanwhile", self.cores_busy, "");
        }
        let mb = |bytes: u64| rounded(bytes as f64 / 1e6, 10.0);
        let loaded = self.resident_bytes_loaded;
        let loaded = loaded.map_or(String::new(), |bytes| format!(", after load {}", mb(bytes)));
        table.row(
            "resident memory, MB",
            format!(
                "before {}, idle {}{loaded}",
                mb(self.resident_bytes_before),
                mb(self.resident_bytes_idle)
            ),
        );
        table.maybe(
            "resident memory a stream",
            self.resident_bytes_per_stream,
            "bytes",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            clients::Findings,
            publisher::Published,
            report::{Connecting, Streams},
        },
        *,
    };

    #[test]
    fn the_table_says_what_the_object_says() {
        let mut report = Report {
            url: "http://x".to_owned(),
            clean: true,
            interrupted: false,
            streams: Streams {
                wanted: 3,
                opened: 2,
                open_at_end: 2,
                reconnected: 0,
                refused: [("401 invalid_api_key".to_owned(), 1)].into(),
                ended: BTreeMap::new(),
            },
            connecting: Connecting::of(&Findings::default()),
            publishing: None,
            delivery: None,
            server: None,
        };
        let table = report.table();
        assert!(table.contains("2 of 3") && table.contains("1: 401 invalid_api_key"));
        assert!(table.ends_with("nothing missing, nothing twice"));
        let mut done = Published {
            signals: 7,
            ..Published::default()
        };
        done.posting.record(2_000_000);
        report.publishing = Some(Publishing::of(&done));
        report.delivery = Some(Delivery::of(&done, &Findings::default(), 2));
        report.clean = false;
        let table = report.table();
        assert!(
            table.contains("0 of 14") && table.contains("p50 2 ms"),
            "{table}"
        );
        assert!(table.ends_with("not clean: see above"));
    }
}
