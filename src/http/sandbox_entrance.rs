//! Who is let in without a key: whose request it is, whether it may be made, and what it has to show for that.
//!
//! Refusals are answered from memory. A call that may pass is put to the database, together with all others that come at the time
//! (`store::sandbox`): there it is counted, in a transaction that sees all before it, over all nodes.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use serde_json::json;

use super::{
    batch::Batch,
    config::Sandbox,
    error::ApiError,
    limits,
    sandbox_captcha::{Captcha, Verifier},
    sandbox_denied::{Access, Denied},
    sandbox_seen::Seen,
};
use crate::{
    gate::{
        pow::{self, NoProof, Proof},
        prover::{Prover, SECRET_BYTES},
        sandbox::{Allowed, Bots, Client, Fingerprint, Salt, Shown, Standing, Verdict, days},
        watermark::{self, Mark},
    },
    model::{
        random::Random,
        time::{Clock, Time},
    },
    store::{
        db::Db,
        error::{StoreError, StoreResult},
        sandbox::{SandboxAnswer, SandboxAsk},
    },
};

/// The challenge, as it was given.
pub const POW_CHALLENGE: HeaderName = HeaderName::from_static("x-sandbox-pow-challenge");
/// The nonce that solves it.
pub const POW_SOLUTION: HeaderName = HeaderName::from_static("x-sandbox-pow-solution");
/// What a captcha's own script gives when it is solved.
pub const CAPTCHA: HeaderName = HeaderName::from_static("x-sandbox-captcha");
/// Where challenges are had.
pub const CHALLENGE_PATH: &str = "/api/v1/sandbox/challenge";

/// Calls counted in one transaction: those who come meanwhile wait for the next, and whoever publishes for no longer than this takes.
const COUNTED_AT_ONCE: usize = 256;
/// Clients remembered at most: some 200 bytes each.
const MOST_SEEN: usize = 65_536;

/// The entrance.
pub struct Entrance {
    rules: Sandbox,
    bots: Bots,
    challenges: Prover,
    watermarks: Prover,
    /// Of the days that count, as far as they are known here.
    salts: RwLock<Arc<BTreeMap<i64, Salt>>>,
    /// One asks for them at a time.
    loading: tokio::sync::Mutex<()>,
    /// Networks that are denied.
    pub denied: Denied,
    seen: Arc<Seen>,
    counted: Batch<SandboxAsk, StoreResult<SandboxAnswer>>,
    /// Calls of all clients that count, about: as they were last counted, and those that were let in here since.
    kept: AtomicU64,
    captcha: Option<Verifier>,
    db: Db,
    clock: Clock,
    random: Random,
}

/// Somebody without a key.
#[derive(Clone, Debug)]
pub struct Guest {
    /// By which calls of theirs are found; the first is today's.
    whose: Vec<Fingerprint>,
    allowed: Allowed,
}

/// A call that was let in, and counted.
#[derive(Clone, Debug)]
pub struct Admitted {
    whose: Fingerprint,
    /// The how many-th within 24 hours.
    number: u32,
    at: Time,
    /// Where its client stands after it.
    pub standing: Standing,
}

/// One that was not.
pub struct Refused {
    /// Why.
    pub error: ApiError,
    /// Where its client stands, as far as that is known.
    pub standing: Option<Standing>,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        let standing = None;
        Refused { error, standing }
    }
}

/// A challenge as it is given.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// Its letters.
    pub text: String,
    /// Leading zero bits.
    pub bits: u8,
    /// From here on it proves nothing.
    pub until: Time,
}

/// What stands between a client and its call.
enum Missing {
    Proof,
    Bad(NoProof),
    Used,
    Captcha,
}

impl Missing {
    fn word(&self) -> &'static str {
        match self {
            Missing::Proof => "missing",
            Missing::Bad(NoProof::Malformed) => "malformed",
            Missing::Bad(NoProof::Expired) => "expired",
            Missing::Bad(NoProof::Unsolved) => "unsolved",
            Missing::Bad(NoProof::Foreign) => "foreign",
            Missing::Used => "used",
            Missing::Captcha => "captcha",
        }
    }

    fn message(&self) -> String {
        match self {
            Missing::Proof => "This call needs proof of work.".to_owned(),
            Missing::Bad(why) => format!("This call needs proof of work, and {why}."),
            Missing::Used => {
                "This call needs proof of work, and the challenge was used before.".to_owned()
            }
            Missing::Captcha => {
                "This call needs proof of work or a captcha, and the captcha was not solved."
                    .to_owned()
            }
        }
    }
}

impl Entrance {
    /// By these rules; the secret is the database's.
    #[must_use]
    pub fn new(
        rules: Sandbox,
        secret: &[u8; SECRET_BYTES],
        captcha: Option<Verifier>,
        db: Db,
        clock: Clock,
        random: Random,
    ) -> Self {
        let seen = Arc::new(Seen::holding(MOST_SEEN));
        let counting = (db.clone(), clock.clone(), seen.clone());
        let counted = Batch::new(COUNTED_AT_ONCE, move |asks| {
            let (db, clock, seen) = counting.clone();
            async move { count(&db, &clock, &seen, asks).await }
        });
        Entrance {
            bots: Bots::new(&rules.bot_agents),
            denied: Denied::by(&rules.deny_networks),
            challenges: Prover::new(secret, pow::PURPOSE),
            watermarks: Prover::new(secret, watermark::PURPOSE),
            salts: RwLock::default(),
            loading: tokio::sync::Mutex::default(),
            rules,
            seen,
            counted,
            kept: AtomicU64::new(0),
            captcha,
            db,
            clock,
            random,
        }
    }

    /// Items of a list at most.
    #[must_use]
    pub fn page_size(&self) -> u32 {
        self.rules.page_size
    }

    /// Clients that are remembered here.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.seen.len()
    }

    /// Counts the calls of all clients, so that it is known when there are too many. To be done now and then.
    pub async fn count_all(&self) -> StoreResult<()> {
        let kept = self.db.kept_sandbox_calls().await?;
        self.kept.store(kept, Ordering::Relaxed);
        Ok(())
    }

    /// Refuses networks that are denied.
    pub fn check_network(&self, ip: IpAddr) -> Result<(), ApiError> {
        match self.denied.access(ip) {
            Access::Open => Ok(()),
            Access::Denied => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "sandbox_network_denied",
                "Calls without a key are not answered to this network. Use a key.",
            )),
            Access::Unknown => {
                let message = "Calls without a key are not answered now.";
                Err(ApiError::closed(message))
            }
        }
    }

    /// Whose request this is.
    pub async fn guest(&self, ip: IpAddr, headers: &HeaderMap) -> StoreResult<Guest> {
        let field = |name| {
            let values = headers.get_all(name).iter();
            let values: Vec<&[u8]> = values.map(|value| value.as_bytes()).collect();
            values.join(&b", "[..])
        };
        let (agent, language) = (field(header::USER_AGENT), field(header::ACCEPT_LANGUAGE));
        let client = Client {
            ip,
            agent: &agent,
            language: &language,
        };
        let now = self.clock.now();
        let salts = self.salts(now).await?;
        let today = now.utc_day();
        let others = days(now).filter(|day| *day != today);
        let whose = std::iter::once(today).chain(others);
        let whose = whose.filter_map(|day| Some(salts.get(&day)?.fingerprint(&client)));
        Ok(Guest {
            whose: whose.collect(),
            allowed: Allowed {
                calls: match self.bots.are(&agent) {
                    true => self.rules.bot_calls,
                    false => self.rules.calls,
                },
                // names cost nothing to make up: where they have filled half of the room, each call costs work, so that nobody
                // shuts the others out for a day within minutes
                free: match self.kept.load(Ordering::Relaxed) >= self.rules.most_calls / 2 {
                    true => 0,
                    false => self.rules.free_of_challenge,
                },
            },
        })
    }

    /// The salts of the days that count now.
    async fn salts(&self, now: Time) -> StoreResult<Arc<BTreeMap<i64, Salt>>> {
        let known = || {
            let salts = self.salts.read().unwrap_or_else(PoisonError::into_inner);
            let all = days(now).all(|day| salts.contains_key(&day));
            all.then(|| salts.clone())
        };
        if let Some(salts) = known() {
            return Ok(salts);
        }
        let _alone = self.loading.lock().await;
        if let Some(salts) = known() {
            return Ok(salts);
        }
        let own: Vec<(i64, [u8; SECRET_BYTES])> =
            days(now).map(|day| (day, secret(&self.random))).collect();
        let kept = self.db.sandbox_salts(&own).await?;
        let salts = kept.iter().map(|(day, salt)| (*day, Salt::new(salt)));
        let salts: Arc<BTreeMap<i64, Salt>> = Arc::new(salts.collect());
        *self.salts.write().unwrap_or_else(PoisonError::into_inner) = salts.clone();
        Ok(salts)
    }

    /// A challenge for a guest.
    pub fn challenge(&self, guest: &Guest) -> Option<Challenge> {
        let until = pow::until(self.clock.now().plus(self.rules.challenge_micros()));
        let mut id = [0; pow::ID_BYTES];
        // it must differ from all others; that nobody makes one is the proof's business
        id.copy_from_slice(&self.random.name().as_bytes()[..pow::ID_BYTES]); // of 16
        let bits = self.rules.difficulty_bits;
        let text = pow::issue(&self.challenges, guest.whose.first()?, bits, until, id);
        Some(Challenge {
            text,
            bits: bits.bits(),
            until,
        })
    }

    /// What a request proves by its headers; nothing where it has none.
    fn proof(&self, guest: &Guest, headers: &HeaderMap, now: Time) -> Result<Proof, Missing> {
        let field = |name| {
            headers
                .get(name)
                .map(|value| value.to_str().unwrap_or_default())
        };
        match (field(&POW_CHALLENGE), field(&POW_SOLUTION)) {
            (None, None) => Err(Missing::Proof),
            (challenge, nonce) => {
                let (challenge, nonce) = (challenge.unwrap_or_default(), nonce.unwrap_or_default());
                pow::check(&self.challenges, &guest.whose, challenge, nonce, now)
                    .map_err(Missing::Bad)
            }
        }
    }

    /// What a captcha proves, where there is one and somebody to ask.
    async fn captcha(
        &self,
        headers: &HeaderMap,
        before: Missing,
        standing: Standing,
    ) -> Result<Proof, Refused> {
        let token = headers.get(CAPTCHA).and_then(|value| value.to_str().ok());
        let (Some(verifier), Some(token)) = (&self.captcha, token) else {
            return Err(self.unproved(&before, standing));
        };
        match verifier.ask(token).await {
            Captcha::Solved => Ok(Proof {
                // whoever verifies takes a token once; where not, it is taken once here, for as long as a challenge
                id: Fingerprint(self.challenges.prove(&[b"captcha", token.as_bytes()])).to_string(),
                until: self.clock.now().plus(self.rules.challenge_micros()),
            }),
            Captcha::Unsolved => Err(self.unproved(&Missing::Captcha, standing)),
            Captcha::Unknown => {
                let message = "The captcha cannot be verified now. A solved challenge will do.";
                Err(Refused {
                    error: ApiError::closed(message),
                    standing: Some(standing),
                })
            }
        }
    }

    /// Lets a request in, and counts it, or says why not.
    pub async fn admit(&self, guest: &Guest, headers: &HeaderMap) -> Result<Admitted, Refused> {
        let now = self.clock.now();
        let first = guest.whose.first();
        let whose = *first.ok_or_else(|| ApiError::internal(&"there is no salt of today"))?;
        let known = self.seen.get(&whose).unwrap_or_default();
        let allowed = guest.allowed;
        // what costs least comes first: a look, a digest, another service, the database
        if allowed.judge(&known, Shown::Proof, now) == Verdict::UsedUp {
            return Err(used_up(allowed.standing(&known, now), now));
        }
        if self.kept.load(Ordering::Relaxed) >= self.rules.most_calls {
            let message =
                "Too many calls without a key were made within 24 hours, by all clients together.";
            return Err(ApiError::overloaded_with(message).into());
        }
        let mut proof = self.proof(guest, headers, now);
        if allowed.judge(&known, Shown::Nothing, now) == Verdict::Unproved {
            proof = match proof {
                Err(missing) => {
                    let standing = allowed.standing(&known, now);
                    Ok(self.captcha(headers, missing, standing).await?)
                }
                proved => proved,
            };
        }
        let mut answer = self.count(guest, proof.as_ref().ok()).await?;
        if answer.verdict == Verdict::Unproved
            && let Err(missing) = proof
        {
            // so many calls were not known here
            let standing = allowed.standing(&answer.calls, answer.at);
            let proof = self.captcha(headers, missing, standing).await?;
            answer = self.count(guest, Some(&proof)).await?;
        }
        let standing = allowed.standing(&answer.calls, answer.at);
        match (answer.verdict, answer.calls.last()) {
            (Verdict::Passed, Some(at)) => {
                self.kept.fetch_add(1, Ordering::Relaxed);
                Ok(Admitted {
                    whose,
                    number: u32::try_from(answer.calls.len()).unwrap_or(u32::MAX),
                    at: *at,
                    standing,
                })
            }
            (Verdict::UsedUp, _) => Err(used_up(standing, answer.at)),
            (Verdict::ProofUsed, _) => Err(self.unproved(&Missing::Used, standing)),
            // a proof that expired while it waited
            (Verdict::Unproved, _) => Err(self.unproved(&Missing::Bad(NoProof::Expired), standing)),
            (Verdict::Passed, None) => Err(ApiError::internal(&"a call passed uncounted").into()),
        }
    }

    async fn count(&self, guest: &Guest, proof: Option<&Proof>) -> Result<SandboxAnswer, ApiError> {
        let ask = SandboxAsk {
            whose: guest.whose.clone(),
            allowed: guest.allowed,
            proof: proof.cloned(),
        };
        let answer = self.counted.ask(ask).await;
        Ok(answer.unwrap_or_else(|| Err(StoreError::told("the server goes down")))?)
    }

    fn unproved(&self, missing: &Missing, standing: Standing) -> Refused {
        let bits = self.rules.difficulty_bits.bits();
        let mut fields = vec!["X-Sandbox-POW-Challenge", "X-Sandbox-POW-Solution"];
        fields.extend(self.captcha.is_some().then_some("X-Sandbox-Captcha"));
        let message = format!(
            "{} POST {CHALLENGE_PATH} gives a challenge; find a nonce with which sha256(challenge + \":\" + nonce) begins with {bits} zero bits, \
             and send both as X-Sandbox-POW-Challenge and X-Sandbox-POW-Solution.",
            missing.message()
        );
        let error = ApiError::challenge_required(message).details(json!({
            "reason": missing.word(),
            "challenge": CHALLENGE_PATH,
            "algorithm": "sha256",
            "difficulty": bits,
            "headers": fields,
        }));
        Refused {
            error,
            standing: Some(standing),
        }
    }

    /// The watermark of an answer to a call that was let in.
    #[must_use]
    pub fn watermark(&self, call: &Admitted, path: &str) -> String {
        Mark::new(call.whose, call.number, call.at, path).sign(&self.watermarks)
    }
}

fn used_up(standing: Standing, now: Time) -> Refused {
    let wait = limits::seconds(standing.reset.0.saturating_sub(now.0)).max(1);
    let message = format!(
        "The {} calls within 24 hours that need no key are made. The next can be made at {}.",
        standing.allowed, standing.reset
    );
    let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "sandbox_quota", message)
        .details(json!({"allowed": standing.allowed, "resetAt": standing.reset}))
        .retry_after(u32::try_from(wait).unwrap_or(u32::MAX));
    Refused {
        error,
        standing: Some(standing),
    }
}

/// Bytes that nobody guesses.
pub fn secret(random: &Random) -> [u8; SECRET_BYTES] {
    let mut bytes = [0; SECRET_BYTES];
    bytes.fill_with(|| random.byte());
    bytes
}

/// Puts calls to the database, and notes what came of them, in order: what is noted last is what was known last.
async fn count(
    db: &Db,
    clock: &Clock,
    seen: &Seen,
    asks: Vec<SandboxAsk>,
) -> Vec<StoreResult<SandboxAnswer>> {
    match db.count_sandbox_calls(&asks, clock.now()).await {
        Ok(answers) => {
            for (ask, answer) in asks.iter().zip(&answers) {
                if let Some(whose) = ask.whose.first() {
                    seen.put(*whose, answer.calls.clone().into());
                }
            }
            answers.into_iter().map(Ok).collect()
        }
        Err(error) => asks.iter().map(|_| Err(error.again())).collect(),
    }
}
