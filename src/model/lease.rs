//! Leases: which node has a key's one stream, where several nodes share a database; and the trait that keeps them.

use std::{future::Future, pin::Pin, time::Duration};

use super::time::Time;

/// How a request asks for a key's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A new consumer.
    Fresh,
    /// The same consumer come back (it knows an id), or an explicit takeover.
    Takeover,
}

/// Numbers each taking of a lease: a later one is greater, whatever the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub i64);

/// Who wants a lease for this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applicant {
    /// The key's id.
    pub key_id: String,
    /// The connection, unlike any other of the node.
    pub connection: u64,
    /// Since when.
    pub connected_at: Time,
    /// From where.
    pub peer: String,
    /// How long ago living holders of this node were superseded: counts where the lease is this node's already.
    pub takeovers: Vec<Duration>,
}

/// What an application for a lease comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Application {
    /// It is this node's.
    Granted {
        /// By which it is known.
        fence: Fence,
        /// How long ago living holders were superseded, on whatever node.
        takeovers: Vec<Duration>,
    },
    /// It is another node's, and that node lives.
    Held(Held),
}

/// A lease of another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// By which it is known.
    pub fence: Fence,
    /// Since when its connection is there.
    pub connected_at: Time,
    /// Its address.
    pub peer: String,
}

/// A question to the node that has a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Names the question.
    pub id: i64,
    /// The key's id.
    pub key_id: String,
    /// The lease that it is about.
    pub fence: Fence,
    /// How the stream is asked for.
    pub claim: Claim,
}

/// What the node that has a lease says to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The holder is gone, or has made room: the lease is free.
    Free,
    /// The holder lives, and stays.
    Living,
    /// The same, asked by a takeover: there were too many of them.
    Flapping,
}

/// A lease whose stream has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The key's id.
    pub key_id: String,
    /// By which it was known.
    pub fence: Fence,
    /// How long ago living holders were superseded on this node: goes with the lease.
    pub takeovers: Vec<Duration>,
}

/// The leases could not be read or written now.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the leases cannot be used now: {0}")]
pub struct LeasesUnavailable(pub String);

/// What a call to the leases comes to.
pub type LeaseFuture<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, LeasesUnavailable>> + Send + 'a>>;

/// One node's hand on the leases of all: `store` implements it, `hub` uses it. Each call is one transaction. Whether a node lives is
/// decided by the time of its last heartbeat and the clock of the database alone.
pub trait LeaseStore: Send + Sync {
    /// This node lives. What is taken from it afterwards is taken a lease's life later at the earliest.
    fn beat(&self) -> LeaseFuture<'_, ()>;
    /// Its leases: keys and fences. After a [`LeaseStore::beat`], whatever was taken from it before that is missing here.
    fn own(&self) -> LeaseFuture<'_, Vec<(String, Fence)>>;
    /// Takes a lease that is free, this node's own, or of a node that lives no more.
    fn apply<'a>(&'a self, applicant: &'a Applicant) -> LeaseFuture<'a, Application>;
    /// Asks the node that has the lease to make room; names the question.
    fn ask<'a>(&'a self, key_id: &'a str, fence: Fence, claim: Claim) -> LeaseFuture<'a, i64>;
    /// The answer to a question of this node, once there is one.
    fn answer(&self, ask: i64) -> LeaseFuture<'_, Option<Answer>>;
    /// Questions of the last seconds about this node's leases that have no answer yet.
    fn asked(&self) -> LeaseFuture<'_, Vec<Ask>>;
    /// Answers one. With [`Answer::Free`] the lease that was asked for is let go in the same transaction; `takeovers` goes with it.
    fn reply<'a>(
        &'a self,
        ask: &'a Ask,
        answer: Answer,
        takeovers: Vec<Duration>,
    ) -> LeaseFuture<'a, ()>;
    /// Lets leases go that are still those of these fences.
    fn release<'a>(&'a self, leases: &'a [Ended]) -> LeaseFuture<'a, ()>;
    /// Lets all go: the node ends.
    fn leave(&self) -> LeaseFuture<'_, ()>;
}
