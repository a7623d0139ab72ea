//! Who reads a page of data: let in as over REST, and answered by the same reads.

use axum::{http::Uri, response::Response};
use serde_json::Value;

use super::{problem::Problem, visit::Visit};
use crate::{
    http::{
        caller::Known,
        error::{ApiError, ApiResult},
        guard,
        reads::Question,
    },
    model::account::Plan,
};

/// Somebody who may read.
pub struct Reader<'a> {
    visit: &'a Visit,
    known: Known,
}

impl<'a> Reader<'a> {
    /// Who is signed in, if their plan includes it: plan, burst and quota as over REST. A page counts as one request, however much it reads.
    pub async fn of(visit: &'a Visit, includes: fn(&Plan) -> bool) -> Result<Self, Problem> {
        let session = visit.known_session().map_err(Clone::clone)?;
        let known = session.ok_or(Problem::SignIn)?.known.clone();
        guard::let_in(&visit.site.state, &known, includes).await?;
        Ok(Reader { visit, known })
    }

    /// What the API answers to a GET of this path and query, percent-encoded.
    pub async fn read(&self, path: &str) -> Result<Value, Problem> {
        let question = self.question(path)?;
        let told = self.visit.site.reads.value(question).await?;
        told.map_err(|told| Problem::Answered(Box::new(told)))
    }

    /// The answer itself, whatever it is: to be sent on as it comes.
    pub async fn answer(&self, path: &str) -> Result<Response, Problem> {
        let question = self.question(path)?;
        Ok(self.visit.site.reads.answer(question).await)
    }

    fn question(&self, path: &str) -> ApiResult<Question> {
        let uri: Uri = path.parse().map_err(|_| ApiError::not_found())?;
        Ok(Question {
            uri,
            known: Some(self.known.clone()),
            arrival: self.visit.arrival.clone(),
        })
    }

    /// Who.
    #[must_use]
    pub fn known(&self) -> &Known {
        &self.known
    }
}
