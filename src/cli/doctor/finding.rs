//! What a check found: how bad it is, what it means, and what to do about it.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It works, and may surprise somebody one day.
    Warn,
    /// Signals are lost, late or open to others, or will be.
    Fail,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at, in a word or two.
    pub(super) check: &'static str,
    /// How bad it is.
    pub(super) level: Level,
    /// What was found, and what it means.
    pub(super) found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advice: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Finding {
            check,
            level: Level::Ok,
            found: found.into(),
            advice: None,
        }
    }

    pub(super) fn warn(
        check: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Finding {
            check,
            level: Level::Warn,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }

    pub(super) fn fail(
        check: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Finding {
            level: Level::Fail,
            ..Finding::warn(check, found, advice)
        }
    }

    /// As lines for a terminal.
    pub(super) fn text(&self) -> String {
        let word = match self.level {
            Level::Ok => "ok  ",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        let mut text = format!("{word}  {:14}  {}", self.check, self.found);
        if let Some(advice) = &self.advice {
            text.push_str(&format!("\n{:22}→ {advice}", ""));
        }
        text
    }
}

/// The worst of them.
pub(super) fn worst(findings: &[Finding]) -> Level {
    let levels = findings.iter().map(|finding| finding.level);
    levels.max().unwrap_or(Level::Ok)
}
