//! A node: database, hub, pipeline and listeners, started in order and ended in the reverse.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    data_dir,
    data_dir::DirLock,
    deliveries::{self, Keeping},
    engines::{Engines, Making},
    error::{StartError, StartResult},
    following::{self, Following, Site},
    housekeeping,
    life::Life,
    ownership::{self, Duties},
    sandbox, scoring,
    sending::{self, Sending},
    system, webhooks,
};
use crate::{
    config::settings::Settings,
    http::{
        self, access, callers,
        door::Door,
        listener::Listener,
        proxies::Proxies,
        server::Server,
        state::{AdminToken, State},
        tls::Tls,
    },
    hub::{
        leases::{self, Leases},
        node::Hub,
        pulse, reader,
        seat::End,
        shards::Shards,
    },
    ingest::insider::intake::{Intake, When},
    model::{account::Plans, market::Market, random::Random, time::Clock},
    store::{db::Db, error::StoreResult, log::as_log},
    telemetry::metrics::Metrics,
};

/// A running node.
pub struct Node {
    /// Where clients connect.
    pub address: SocketAddr,
    /// Where it is administered.
    pub admin_address: SocketAddr,
    /// Shared by all.
    pub state: Arc<State>,
    /// The admin token, and whether it is new.
    pub token: data_dir::Token,
    /// Set where clients connect by TLS.
    pub tls: Option<Arc<Tls>>,
    life: Life,
    drain: Duration,
    engines: Engines,
    keeper: JoinHandle<()>,
    background: Vec<JoinHandle<()>>,
    leases: Option<Arc<Leases>>,
    shards: Option<Arc<Shards>>,
    sending: Sending,
    writes: Keeping,
    /// Ends this node's heartbeats.
    beats: CancellationToken,
    lock: DirLock,
}

/// How long attempts at webhooks may take to end and be noted.
const LAST_ATTEMPTS: Duration = Duration::from_secs(20);

/// Opens the database that the settings name, or the one of their data directory; its log named.
pub async fn open_database(settings: &Settings, clock: &Clock, random: &Random) -> StartResult<Db> {
    let dir = &settings.server.data_dir;
    data_dir::create(dir)?;
    let url = &settings.database.url;
    let opened = match url.is_set() {
        true => Db::open_postgres(&settings.database).await,
        false => Db::open_sqlite(dir, &settings.store).await,
    };
    let db = opened.map_err(|source| StartError::Database {
        place: match url.is_set() {
            true => url.to_string(),
            false => dir.display().to_string(),
        },
        source,
    })?;
    db.name_log(&format!("{:08x}", random.number() as u32), clock.now())
        .await?;
    Ok(db)
}

/// Opens the way in for filings.
pub async fn open_intake(
    settings: &Settings,
    db: &Db,
    hub: Option<Arc<Hub>>,
    clock: &Clock,
) -> StartResult<Intake> {
    let (config, markets) = (settings.insider.clone(), Market::built_in());
    Ok(Intake::open(db.clone(), hub, clock.clone(), config, &markets).await?)
}

impl Node {
    /// Starts everything; listens when it returns.
    pub async fn start(
        settings: Settings,
        admin_token: Option<String>,
        webhook_key: Option<String>,
        life: Life,
    ) -> StartResult<Node> {
        let (clock, random) = (Clock::system(), system::random());
        let mut metrics = Metrics::default();
        let edgar = settings.edgar.follow.then(|| Site::new(&settings.edgar));
        let edgar = edgar.transpose()?;
        let tls = Tls::load(&settings.http)?.map(Arc::new);
        let dir = &settings.server.data_dir;
        data_dir::create(dir)?;
        // before anything of the other server's is touched
        let lock = DirLock::try_take(dir, data_dir::SERVER)?;
        let lock = lock.ok_or_else(|| StartError::InUse { path: dir.clone() })?;
        let db = open_database(&settings, &clock, &random).await?;
        metrics.store = db.metrics().clone();
        // before a token is made: it is shown once, by a start that comes about
        let (listener, address) = bind(settings.server.listen, &settings)?;
        let (admin_listener, admin_address) = bind(settings.server.admin_listen, &settings)?;
        let seal = webhooks::open_seal(&settings, webhook_key, &db, &random).await?;
        let token = data_dir::admin_token(dir, admin_token, &random)?;
        let lease = Duration::from_millis(settings.stream.lease_ms);
        let time = system::time_since_boot();
        let joined = time.passed();
        let member = ownership::join_as_server(&db, &random, lease, dir).await?;
        // now that it is known which nodes there are, and that this directory's last one is gone
        db.close_lost_tickets(db.shared_time(clock.now()).await?)
            .await?;
        let leases = member.clone().map(|member| {
            let (counts, era) = (metrics.hub.clone(), member.era());
            let leases = Leases::new(&settings.stream, Arc::new(member), counts, None, time);
            leases.join(joined, era);
            Arc::new(leases)
        });
        let hub = Hub::open(
            settings.stream.clone(),
            as_log(&db),
            leases.clone(),
            clock.clone(),
            random.clone(),
            metrics.hub.clone(),
        )
        .await?;
        let making = Making {
            db: db.clone(),
            hub: hub.clone(),
            clock: clock.clone(),
            config: settings.ingest.clone(),
            engine: settings.consensus.clone(),
            metrics: metrics.ingest.clone(),
        };
        let duties = Duties::of(member, dir);
        let (pipeline, engines) = Engines::start(making, duties.clone()).await?;
        let intake = open_intake(&settings, &db, Some(hub.clone()), &clock).await?;
        let intake = Arc::new(intake.counting(metrics.insider.clone()));
        let following = edgar.map(|site| {
            Following::new(
                site,
                db.clone(),
                intake.clone(),
                clock.clone(),
                metrics.edgar.clone(),
                When::WhileFresh,
            )
        });
        let desk = webhooks::desk(&settings, &db, Some(seal.clone()), &clock, &random)?;
        let plans: Arc<Plans> = Arc::new(settings.plans.clone());
        let (callers, keeper) = callers::new(db.clone(), clock.clone());
        let entrance = sandbox::open(&settings, &db, &clock, &random).await?;
        let state = State::new(
            settings.http.clone(),
            db.clone(),
            hub.clone(),
            pipeline,
            intake,
            desk,
            plans,
            callers,
            entrance,
            clock.clone(),
            random,
            AdminToken::new(&token.text),
            metrics.http.clone(),
            metrics.encoder(),
            deliveries::kept(&settings),
            life.hard.clone(),
            // half of the connections: the others are for all else
            usize::try_from(settings.database.connections / 2).map_or(1, |half| half.max(1)),
        );
        let engines = engines.serve(&state, &life);
        let shards = settings.stream.direct.then(|| {
            let threads = settings.stream.shards;
            Shards::start(
                &hub,
                if threads == 0 {
                    system::cores()
                } else {
                    threads
                },
            )
        });
        let shards = shards.transpose().map_err(StartError::Threads)?;
        let sending = sending::Making {
            db: db.clone(),
            hub: hub.clone(),
            clock,
            random: state.random.clone(),
            seal,
            dialer: state.desk.dialer().clone(),
            metrics: metrics.webhook.clone(),
        };
        let sending = Sending::start(sending, &settings, &life);
        let writes = Keeping::start(&settings, &state).await;
        let mut node = Node {
            address,
            admin_address,
            drain: Duration::from_secs(settings.http.drain_seconds),
            state,
            token,
            tls,
            life,
            engines,
            keeper: tokio::spawn(keeper.run()),
            background: Vec::new(),
            leases,
            shards,
            sending,
            writes,
            beats: CancellationToken::new(),
            lock,
        };
        node.start_background(&settings, &db, hub, duties.clone());
        if let Some(following) = following {
            let run = following::run(following, duties, node.life.clone());
            node.background.push(tokio::spawn(run));
        }
        node.listen(&settings, listener, admin_listener, &metrics);
        Ok(node)
    }

    fn start_background(&mut self, settings: &Settings, db: &Db, hub: Arc<Hub>, duties: Duties) {
        let (commits, hard) = (db.commits(), self.life.hard.clone());
        let pulse = tokio::spawn(pulse::run(
            hub.clone(),
            self.life.hard.clone().cancelled_owned(),
        ));
        let read =
            tokio::spawn(async move { reader::run(hub, commits, hard.cancelled_owned()).await });
        let watch = tokio::spawn(watch_access(
            self.state.clone(),
            settings.stream.tick_ms,
            self.life.clone(),
        ));
        let scoring = tokio::spawn(scoring::run(
            self.state.intake.clone(),
            duties,
            self.life.clone(),
        ));
        let listen = tokio::spawn(db.clone().listen());
        self.background = vec![read, pulse, watch, scoring, listen];
        if let Some(leases) = &self.leases {
            let stop = || self.life.hard.clone().cancelled_owned();
            // heartbeats go on until the engines' last work is stored, which waits for every handle to the state
            let state = Arc::downgrade(&self.state);
            let recheck = move || {
                let state = state.clone();
                async move {
                    match state.upgrade() {
                        Some(state) => access::refresh(&state).await,
                        None => Ok(()),
                    }
                }
            };
            let beats = self.beats.clone().cancelled_owned();
            tokio::spawn(leases::keep(leases.clone(), recheck, beats));
            let changes = db.lease_changes();
            self.background.extend([
                tokio::spawn(leases::answer(leases.clone(), changes, stop())),
                tokio::spawn(leases::apply(leases.clone(), stop())),
                tokio::spawn(leases::let_go(leases.clone(), stop())),
            ]);
        }
        let days = i64::from(settings.log.retention_days);
        let attempt_days = i64::from(settings.webhook.attempt_days);
        let housekeeping =
            housekeeping::run(self.state.clone(), days, attempt_days, self.life.clone());
        self.background.push(tokio::spawn(housekeeping));
        if let Some(entrance) = &self.state.sandbox {
            let watch = sandbox::watch(entrance.clone(), self.life.clone());
            self.background.push(tokio::spawn(watch));
        }
    }

    fn listen(&self, settings: &Settings, main: Listener, admin: Listener, metrics: &Metrics) {
        let cap = system::connection_cap(settings.http.max_connections);
        metrics.http.connections_max.set(system::as_gauge(cap));
        let server = |door, soft, cap, config| Server {
            door,
            tls: None,
            proxies: Proxies::new(&settings.http.trusted_proxies),
            config,
            cap,
            unanswered_for: unanswered_for(settings),
            hub_metrics: metrics.hub.clone(),
            shards: None,
            metrics: None,
            soft,
            hard: self.life.hard.clone(),
            tracker: self.life.connections.clone(),
        };
        let mut main_server = server(
            Door::main(self.state.clone()),
            self.life.soft.clone(),
            cap,
            settings.http.clone(),
        );
        main_server.metrics = Some(metrics.http.clone());
        main_server.shards = self.shards.clone();
        main_server.tls = self.tls.clone();
        // the admin listener answers for as long as the process lives: a drain wants to be watched
        let admin_server = server(
            Door::admin(self.state.clone()),
            self.life.hard.clone(),
            cap.min(256),
            // clients' limits are not the operator's
            http::config::Config {
                max_connections_per_address: 0,
                ..settings.http.clone()
            },
        );
        if let Some(tls) = self.tls.clone() {
            tokio::spawn(renew_certificates(tls, self.life.clone()));
        }
        tokio::spawn(main_server.run(main));
        tokio::spawn(admin_server.run(admin));
    }

    /// Waits for the soft end, then lets everything end in order.
    pub async fn run(self) {
        self.life.soft.cancelled().await;
        self.state.start_draining();
        let spread = Instant::now() + self.drain;
        let deadline = spread + Duration::from_secs(5);
        farewell(&self.state, self.drain);
        while !self.state.hub.seats.is_empty() && Instant::now() < deadline {
            // those that were being opened when the farewells were drawn
            if Instant::now() >= spread {
                farewell(&self.state, Duration::ZERO);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.life.hard.cancel();
        self.life.connections.close();
        let _ = tokio::time::timeout(Duration::from_secs(5), self.life.connections.wait()).await;
        for task in &self.background {
            task.abort();
        }
        let Node {
            state,
            engines,
            keeper,
            lock,
            leases,
            beats,
            shards,
            sending,
            writes,
            ..
        } = self;
        // an attempt takes no longer than this, and what became of it is to be noted
        let _ = tokio::time::timeout(LAST_ATTEMPTS, sending.end()).await;
        if let Some(shards) = shards {
            shards.stop();
        }
        writes.end().await;
        let db = state.db.clone();
        drop(state);
        engines.end().await;
        beats.cancel();
        if let Some(leases) = leases {
            leases.leave().await;
        }
        // ends when the last handle to the keys in use is gone; what was reserved and not used is given back
        let _ = tokio::time::timeout(Duration::from_secs(10), keeper).await;
        db.close().await;
        drop(lock);
        tracing::info!("the end");
    }
}

/// Says goodbye to every stream, at moments spread over the drain.
fn farewell(state: &Arc<State>, drain: Duration) {
    for seat in state.hub.seats.all() {
        let after = drain.mul_f64((state.random.balanced() + 1.0) / 2.0);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            seat.end(End::Drain);
        });
    }
}

/// Reads certificate and key again whenever that is asked for.
async fn renew_certificates(tls: Arc<Tls>, life: Life) {
    loop {
        tokio::select! {
            () = life.hard.cancelled() => return,
            () = life.renew.notified() => {}
        }
        match tls.reload() {
            Ok(()) => tracing::info!("certificate and key were read again"),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(tracing::field::display);
                tracing::error!(%error, cause, "certificate and key stay as they were");
            }
        }
    }
}

fn bind(address: SocketAddr, settings: &Settings) -> StartResult<(Listener, SocketAddr)> {
    let bound = Listener::bind(address, unanswered_for(settings));
    let bound = bound.and_then(|listener| {
        let address = listener.address()?;
        Ok((listener, address))
    });
    bound.map_err(|source| StartError::Listen { address, source })
}

/// How long a peer may leave what is written to it without any answer.
fn unanswered_for(settings: &Settings) -> Duration {
    Duration::from_secs(settings.stream.unanswered_seconds.max(1))
}

/// Checks live streams again whenever accounts or keys were changed, by whatever process.
async fn watch_access(state: Arc<State>, tick_ms: u64, life: Life) {
    let mut known = None;
    let mut commits = state.db.commits();
    let mut tick = tokio::time::interval(Duration::from_millis(tick_ms.max(1)));
    loop {
        tokio::select! {
            () = life.hard.cancelled() => return,
            Ok(()) = commits.changed() => {}
            _ = tick.tick() => {}
        }
        // a call that hangs is given up and made again: a revocation must not wait for it
        match within(state.db.access_version()).await {
            Ok(version) if known == Some(version) => {}
            Ok(version) => match within(access::refresh(&state)).await {
                Ok(()) => known = Some(version),
                Err(error) => {
                    tracing::warn!(%error, "live streams could not be checked; trying again")
                }
            },
            Err(error) => tracing::warn!(%error, "the access watcher waits for the database"),
        }
    }
}

async fn within<T>(asked: impl Future<Output = StoreResult<T>>) -> Result<T, String> {
    match tokio::time::timeout(Duration::from_secs(1), asked).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}
