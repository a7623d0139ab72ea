//! What the door counts; `telemetry` registers it.

use std::sync::atomic::AtomicI64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Why a connection above a cap was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusedLabel {
    /// `cap`: all of them; `address`: one address's.
    pub reason: &'static str,
}

/// How requests were answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AnswerLabel {
    /// `main` or `admin`.
    pub listener: &'static str,
    /// The status code.
    pub status: u16,
}

/// Why requests were refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ErrorLabel {
    /// The code in the error's body.
    pub code: &'static str,
}

/// By which limit of its plan, or of the server, a key was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabel {
    /// `burst`, `day`, `month` or `connects`.
    pub limit: &'static str,
}

/// Calls of tools by MCP.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct McpLabel {
    /// Its name, or `other` for what is no tool.
    pub tool: &'static str,
    /// `ok`, `error` (a read refused it), or `unknown` (there is no such tool).
    pub outcome: &'static str,
}

/// The door's own counters.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Open connections of the main listener.
    pub connections: Gauge<i64, AtomicI64>,
    /// How many there may be.
    pub connections_max: Gauge<i64, AtomicI64>,
    /// Connections of the main listener that were refused.
    pub refused: Family<RefusedLabel, Counter>,
    /// Times that no connection could be accepted.
    pub accept_failures: Counter,
    /// Keys that hold a seat on this node; read when they are asked for.
    pub seats: Gauge<i64, AtomicI64>,
    /// Keys whose quota this node looks after; read when they are asked for.
    pub keys_in_use: Gauge<i64, AtomicI64>,
    /// Requests answered, a stream when it begins.
    pub answers: Family<AnswerLabel, Counter>,
    /// Answers that were errors.
    pub errors: Family<ErrorLabel, Counter>,
    /// Calls without a key that were let in.
    pub sandbox_calls: Counter,
    /// Clients without a key that this node remembers; read when they are asked for.
    pub sandbox_clients: Gauge<i64, AtomicI64>,
    /// Requests and openings stopped by a limit.
    pub limited: Family<LimitLabel, Counter>,
    /// Calls of tools by MCP.
    pub mcp_calls: Family<McpLabel, Counter>,
}

/// An open connection, counted while it lives.
#[derive(Debug)]
pub struct OpenConnection(Gauge<i64, AtomicI64>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Counts a connection of the main listener while what it gives lives.
    #[must_use]
    pub fn open_connection(&self) -> OpenConnection {
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }

    /// Puts all of them into a registry.
    pub fn register(&self, to: &mut Registry) {
        to.register(
            "connections",
            "Open connections of the main listener",
            self.connections.clone(),
        );
        to.register(
            "connections_max",
            "Connections that the main listener takes at once",
            self.connections_max.clone(),
        );
        // what may happen is there from the beginning: a counter that appears with its first count shows no increase
        for reason in ["cap", "address"] {
            drop(self.refused.get_or_create(&RefusedLabel { reason }));
        }
        for limit in ["burst", "day", "month", "connects"] {
            drop(self.limited.get_or_create(&LimitLabel { limit }));
        }
        to.register(
            "connections_refused",
            "Connections of the main listener above a cap",
            self.refused.clone(),
        );
        to.register(
            "accept_failures",
            "Times that no connection could be accepted",
            self.accept_failures.clone(),
        );
        to.register(
            "seats",
            "Keys that hold a seat on this node",
            self.seats.clone(),
        );
        to.register(
            "keys_in_use",
            "Keys whose quota this node looks after",
            self.keys_in_use.clone(),
        );
        to.register(
            "sandbox_calls",
            "Calls without a key that were let in",
            self.sandbox_calls.clone(),
        );
        to.register(
            "sandbox_clients",
            "Clients without a key that this node remembers",
            self.sandbox_clients.clone(),
        );
        to.register(
            "http_answers",
            "Requests answered, a stream when it begins",
            self.answers.clone(),
        );
        to.register(
            "http_errors",
            "Answers that were errors",
            self.errors.clone(),
        );
        to.register(
            "limited",
            "Requests and openings stopped by a limit of their key",
            self.limited.clone(),
        );
        to.register("mcp_calls", "Calls of tools by MCP", self.mcp_calls.clone());
    }
}
