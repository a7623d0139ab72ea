//! Why a node cannot start.

use std::{io, net::SocketAddr, path::PathBuf};

use super::edgar::ClientError;
use crate::{
    http::tls::TlsError, ingest::edgar::config::PaceError, model::log::LogUnavailable,
    store::error::StoreError,
};

/// A start that failed; the message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file or folder of the data directory.
    #[error("{} cannot be {what}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// made, opened, read, written, locked
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A file or folder of the data directory that this user may not make or write.
    #[error("{} cannot be {what}: this user may not write there; give it the right to, or use another --data-dir", path.display())]
    Forbidden {
        /// Which.
        path: PathBuf,
        /// As above.
        what: &'static str,
    },
    /// The database.
    #[error("the database cannot be opened ({place})")]
    Database {
        /// The data directory, or the server.
        place: String,
        /// Why.
        source: StoreError,
    },
    /// The database, after it was opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogUnavailable),
    /// A listener.
    #[error("cannot listen on {address}; choose with --listen and --admin-listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The main listener's certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Another server.
    #[error("another server runs on {}; end it first, or use another --data-dir", path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// An admin token that is guessed too soon.
    #[error(
        "SIGCAST_ADMIN_TOKEN is too short: {least} characters at least, or leave it out, and one is made"
    )]
    WeakToken {
        /// How many characters it must have.
        least: usize,
    },
    /// Who webhooks' servers are vouched for by.
    #[error("webhook.ca_file {}: {why}", path.display())]
    WebhookTrust {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Captchas that cannot be verified.
    #[error("sandbox: {why}")]
    Captcha {
        /// What is wrong with the settings.
        why: &'static str,
    },
    /// A key of webhooks that is none.
    #[error(
        "{place}: {what}; the key of webhooks is 32 bytes in base64, such as `openssl rand -base64 32` makes"
    )]
    WebhookKey {
        /// A file, or a variable.
        place: String,
        /// What is wrong with it; never the key.
        what: &'static str,
    },
    /// A key of webhooks that others can read.
    #[error("{}: everybody on this machine can read it, and sign webhooks with what it opens; `chmod 600` it", path.display())]
    OpenWebhookKey {
        /// Which.
        path: PathBuf,
    },
    /// A key of webhooks that the settings name, and that is not there.
    #[error("{}: there is no such file (webhook.key_file); `openssl rand -base64 32` makes a key", path.display())]
    NoWebhookKey {
        /// Which.
        path: PathBuf,
    },
    /// A key of webhooks that is not the database's.
    #[error(
        "the key of webhooks in {place} is not the one that sealed the secrets in this database; put that one there (webhook.key of the first server's data directory, webhook.key_file or SIGCAST_WEBHOOK_KEY); if it is lost for good, see `sigcast webhooks rekey --help`"
    )]
    OtherWebhookKey {
        /// A file, or a variable.
        place: String,
    },
    /// Secrets that were sealed, and no key where one would be.
    #[error(
        "{}: there is no such file, and the secrets in this database were sealed by a key; put it there (webhook.key of the first server's data directory), or name it by webhook.key_file or SIGCAST_WEBHOOK_KEY; if it is lost for good, see `sigcast webhooks rekey --help`", path.display()
    )]
    MissingWebhookKey {
        /// Where it would be.
        path: PathBuf,
    },
    /// EDGAR's client.
    #[error(transparent)]
    Edgar(#[from] ClientError),
    /// More requests to EDGAR than the SEC allows.
    #[error(transparent)]
    EdgarPace(#[from] PaceError),
    /// The threads of streams.
    #[error("the threads that write to streams cannot be started")]
    Threads(#[source] io::Error),
    /// Signals of the operating system.
    #[error("signals cannot be listened to")]
    Signals(#[source] io::Error),
}

/// What a step of the start comes to.
pub type StartResult<T> = Result<T, StartError>;
