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

/// Numbers what is known of a node: as long as it is the same, nothing was taken from the node, nor forgotten of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Era {
    /// Another whenever something was taken from it, and whenever its row had to be made anew.
    pub number: i64,
    /// Another with each connection: the one before may have led to a state of the database that is no more.
    pub connection: u64,
}

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
    /// How the stream is asked for.
    pub claim: Claim,
    /// What its holder was asked before.
    pub asked: Option<Asked>,
}

/// A question to a lease's holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Names the question.
    pub id: i64,
    /// The lease that it is about.
    pub fence: Fence,
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
    /// It is another node's, and that node lives; it is asked to make room.
    Held(Held, Asked),
    /// It was asked, and its holder stays.
    Refused(Held, Answer),
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
    /// This node lives. What is taken from it afterwards is taken a lease's life later at the earliest, by the database's clock. Its era:
    /// as long as that is the same, nothing was taken.
    fn beat(&self) -> LeaseFuture<'_, Era>;
    /// Its leases: keys and fences. After a [`LeaseStore::beat`], whatever was taken from it before that is missing here.
    fn own(&self) -> LeaseFuture<'_, Vec<(String, Fence)>>;
    /// For each: takes a lease that is free, this node's own, or of a node that lives no more. The node that has it is asked to make room,
    /// unless it was already.
    fn apply<'a>(&'a self, applicants: &'a [Applicant]) -> LeaseFuture<'a, Vec<Application>>;
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
