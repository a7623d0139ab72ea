//! Sending to webhooks: the worker, from the node's start to its soft end.

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio::task::JoinHandle;

use super::{
    error::{StartError, StartResult},
    life::Life,
    web,
};
use crate::{
    config::settings::Settings,
    hub::node::Hub,
    model::{random::Random, time::Clock},
    store::db::Db,
    webhook::{
        dial::{self, Dialer},
        ledger,
        metrics::Metrics,
        secret::Seal,
        sender::Shared,
        worker::Worker,
    },
};

/// What reaches webhooks, by what the settings allow.
pub fn dialer(settings: &Settings) -> StartResult<Dialer> {
    let allowed = Arc::new(settings.webhook.allowed());
    let tls = Arc::new(trusting(&settings.webhook.ca_file)?);
    Ok(Dialer::new(allowed, dial::system(), tls))
}

/// Whoever the public authorities vouch for, and those of a file.
fn trusting(file: &Path) -> StartResult<ClientConfig> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if !file.as_os_str().is_empty() {
        let refused = |why: String| StartError::WebhookTrust {
            path: file.to_owned(),
            why,
        };
        let before = roots.len();
        let read = CertificateDer::pem_file_iter(file).map_err(|e| refused(e.to_string()))?;
        for certificate in read {
            let certificate = certificate.map_err(|e| refused(e.to_string()))?;
            roots.add(certificate).map_err(|e| refused(e.to_string()))?;
        }
        if roots.len() == before {
            return Err(refused("no certificate is in it".to_owned()));
        }
    }
    Ok(web::tls()
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// What is there to end.
pub struct Sending {
    worker: JoinHandle<()>,
    writer: JoinHandle<()>,
}

/// What the worker is made of.
pub struct Making {
    /// The database.
    pub db: Db,
    /// The node's log.
    pub hub: Arc<Hub>,
    /// The time.
    pub clock: Clock,
    /// Chance.
    pub random: Random,
    /// Opens secrets.
    pub seal: Arc<Seal>,
    /// Reaches endpoints.
    pub dialer: Dialer,
    /// Counters.
    pub metrics: Metrics,
}

impl Sending {
    /// Sends until the soft end.
    pub fn start(making: Making, settings: &Settings, life: &Life) -> Self {
        let (ledger, writer) = ledger::open(making.db.clone());
        let plans = settings.plans.iter().filter(|(_, plan)| plan.webhooks);
        let worker = Worker {
            seal: making.seal,
            dialer: making.dialer,
            has_stood_back: AtomicBool::new(false),
            plans: plans.map(|(name, _)| name.clone()).collect(),
            shared: Arc::new(Shared {
                db: making.db,
                hub: making.hub,
                ledger,
                clock: making.clock,
                random: making.random,
                metrics: making.metrics,
            }),
        };
        Sending {
            worker: tokio::spawn(worker.run(life.soft.clone())),
            writer: tokio::spawn(writer.run()),
        }
    }

    /// Resolves when what was under way at the soft end is over and noted.
    pub async fn end(self) {
        // an error: it has panicked, and said so
        let _ = self.worker.await;
        let _ = self.writer.await;
    }
}
