//! What was measured, round by round: medians, spreads, ratios within a round, and whether they are what is to come out.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use serde_json::{Value, json};

use crate::{
    figures::{AIMS, Against, Aim, Figure, Metric},
    peers::Peer,
};

/// One value.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// From 1.
    pub round: usize,
    /// Of which server.
    pub peer: Peer,
    /// Of which figure.
    pub figure: Figure,
    /// How many streams there were.
    pub streams: usize,
    /// What was measured.
    pub metric: Metric,
    /// The value, in the metric's unit.
    pub value: f64,
}

/// All values of a run.
#[derive(Default)]
pub struct Results(pub Vec<Sample>);

/// Median, least and most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let half = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(values[half - 1], values[half]),
            _ => values[half],
        };
        Some(Spread {
            median,
            least,
            most,
        })
    }

    fn json(self) -> Value {
        json!({"median": self.median, "min": self.least, "max": self.most})
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread {
            median,
            least,
            most,
        } = *self;
        write!(f, "{} ({}–{})", short(median), short(least), short(most))
    }
}

/// Three digits or so, and thousands apart.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => {
            let whole = format!("{value:.0}");
            let digits = whole.len();
            let mut text = String::new();
            for (place, digit) in whole.chars().enumerate() {
                if place > 0 && digit != '-' && (digits - place) % 3 == 0 {
                    text.push(',');
                }
                text.push(digit);
            }
            text
        }
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.2}"),
    }
}

impl Results {
    fn of(&self, figure: Figure, peer: Peer, metric: Metric) -> impl Iterator<Item = &Sample> {
        self.0.iter().filter(move |sample| {
            (sample.figure, sample.peer, sample.metric) == (figure, peer, metric)
        })
    }

    fn spread(&self, figure: Figure, peer: Peer, metric: Metric, streams: usize) -> Option<Spread> {
        let samples = self.of(figure, peer, metric);
        let of_size = samples.filter(|sample| sample.streams == streams);
        Spread::of(of_size.map(|sample| sample.value).collect())
    }

    /// A server's values by another's of the same round.
    fn ratios(
        &self,
        figure: Figure,
        metric: Metric,
        peer: Peer,
        to: Peer,
        streams: usize,
    ) -> Option<Spread> {
        let ratio = |mine: &Sample| {
            let mut theirs = self.of(figure, to, metric);
            let theirs = theirs
                .find(|theirs| (theirs.round, theirs.streams) == (mine.round, mine.streams))?;
            (theirs.value > 0.0).then(|| mine.value / theirs.value)
        };
        let samples = self.of(figure, peer, metric);
        let of_size = samples.filter(|sample| sample.streams == streams);
        Spread::of(of_size.filter_map(ratio).collect())
    }

    /// What an aim is about, where it was measured.
    fn seen(&self, aim: &Aim) -> Option<Spread> {
        let samples = || self.of(aim.figure, Peer::Sigcast, aim.metric);
        let streams = samples().map(|sample| sample.streams).next()?;
        match aim.against {
            Against::Nothing => self.spread(aim.figure, Peer::Sigcast, aim.metric, streams),
            Against::Peer(peer) => {
                self.ratios(aim.figure, aim.metric, Peer::Sigcast, peer, streams)
            }
            Against::Line => {
                let rounds: BTreeSet<usize> = samples().map(|sample| sample.round).collect();
                let of_round = |round: &usize| {
                    let here = samples().filter(|sample| sample.round == *round);
                    off_the_line(here.map(|one| (one.streams as f64, one.value)).collect())
                };
                Spread::of(rounds.iter().filter_map(of_round).collect())
            }
        }
    }

    /// A table for each figure, and one that holds sigcast against what is to come out.
    pub fn tables(&self) -> String {
        let mut text = String::new();
        let figures: BTreeSet<Figure> = self.0.iter().map(|sample| sample.figure).collect();
        for figure in figures {
            self.table(figure, &mut text);
        }
        let judged: Vec<_> = (AIMS.iter())
            .filter_map(|aim| Some((aim, self.seen(aim)?)))
            .collect();
        if !judged.is_empty() {
            text.push_str(
                "\n| sigcast | seen | must | | aim | |\n| --- | --- | --- | --- | --- | --- |\n",
            );
        }
        for (aim, seen) in judged {
            let sign = if aim.metric == Metric::Share {
                "≥"
            } else {
                "≤"
            };
            let word = |bound| match aim.meets(seen.median, bound) {
                true => "yes",
                false => "**no**",
            };
            let (goal, met) = match aim.aim {
                Some(goal) => (format!("{sign} {}", short(goal)), word(goal)),
                None => ("–".to_owned(), ""),
            };
            let _ = writeln!(
                text,
                "| {} | {seen} | {sign} {} | {} | {goal} | {met} |",
                title(aim),
                short(aim.must),
                word(aim.must)
            );
        }
        text
    }

    fn table(&self, figure: Figure, text: &mut String) {
        let samples: Vec<&Sample> = (self.0.iter())
            .filter(|sample| sample.figure == figure)
            .collect();
        let metrics: BTreeSet<Metric> = samples.iter().map(|sample| sample.metric).collect();
        let rows: BTreeSet<(usize, Peer)> = (samples.iter())
            .map(|sample| (sample.streams, sample.peer))
            .collect();
        let _ = write!(text, "\n| {} | streams |", figure.word());
        for metric in &metrics {
            let _ = write!(text, " {metric} |");
        }
        let base = base(figure).filter(|(base, _)| rows.iter().any(|(_, peer)| peer == base));
        if let Some((base, metric)) = base {
            let _ = write!(text, " {metric} × {base} |");
        }
        let columns = 2 + metrics.len() + usize::from(base.is_some());
        let _ = writeln!(text, "\n|{}", " --- |".repeat(columns));
        for (streams, peer) in rows {
            let _ = write!(text, "| {peer} | {} |", short(streams as f64));
            for metric in &metrics {
                let spread = self.spread(figure, peer, *metric, streams);
                let shown = spread.map_or("–".to_owned(), |spread| spread.to_string());
                let _ = write!(text, " {shown} |");
            }
            if let Some((base, metric)) = base {
                let ratio = self.ratios(figure, metric, peer, base, streams);
                let shown = ratio.map_or("–".to_owned(), |ratio| ratio.to_string());
                let _ = write!(text, " {shown} |");
            }
            text.push('\n');
        }
    }

    /// All values, and what they come to.
    pub fn json(&self) -> Value {
        let samples: Vec<Value> = (self.0.iter())
            .map(|sample| {
                json!({
                    "round": sample.round, "server": sample.peer.to_string(), "figure": sample.figure.word(),
                    "streams": sample.streams, "metric": sample.metric.to_string(), "value": sample.value,
                })
            })
            .collect();
        let aims: Vec<Value> = (AIMS.iter())
            .filter_map(|aim| {
                let seen = self.seen(aim)?;
                Some(json!({
                    "what": title(aim), "seen": seen.json(), "must": aim.must, "met": aim.meets(seen.median, aim.must),
                    "aim": aim.aim,
                }))
            })
            .collect();
        json!({"samples": samples, "aims": aims})
    }
}

/// By how much the costs of sizes between the smallest and the largest are off the line between those two, whichever way, as a
/// factor. What is given is each number of streams, and the cost of a delivery there.
fn off_the_line(mut costs: Vec<(f64, f64)>) -> Option<f64> {
    costs.sort_by(|one, other| one.0.total_cmp(&other.0));
    let [(fewest, cheapest), between @ .., (most, dearest)] = costs.as_slice() else {
        return None;
    };
    let (least, last) = (fewest * cheapest, most * dearest);
    let factors = between.iter().map(|(streams, cost)| {
        let line = least + (last - least) * (streams - fewest) / (most - fewest);
        let factor = streams * cost / line;
        factor.max(1.0 / factor)
    });
    factors.max_by(f64::total_cmp)
}

/// With which server all are compared in a figure's table, and by what.
fn base(figure: Figure) -> Option<(Peer, Metric)> {
    match figure {
        Figure::Memory | Figure::Soak => None,
        Figure::Connect => Some((Peer::Limit, Metric::ConnectUs)),
        Figure::Paced | Figure::Growth => Some((Peer::Limit, Metric::DeliveryUs)),
        Figure::Last => Some((Peer::Limit, Metric::LastP50)),
        Figure::Sustained => Some((Peer::Joining, Metric::P99)),
        Figure::Bursts => Some((Peer::Joining, Metric::DeliveryUs)),
    }
}

fn title(aim: &Aim) -> String {
    let (figure, metric) = (aim.figure.word(), aim.metric);
    match aim.against {
        Against::Nothing => format!("{figure}: {metric}"),
        Against::Peer(peer) => format!("{figure}: {metric}, × {peer}"),
        Against::Line => format!("{figure}: {metric}, times streams, by a straight line"),
    }
}
