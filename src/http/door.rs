//! What answers the requests of a listener: what surrounds them all, and behind it the routes.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    extract::{Request, State as Shared},
    http::Method,
    response::{IntoResponse as _, Response},
};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::cors::CorsLayer;

use super::{guard, router, state::State, stream};

/// Answers the requests of one listener.
pub enum Door {
    /// For clients.
    Main(Box<Main>),
    /// For the operator.
    Admin(Router),
}

/// The main listener's.
///
/// Around its routes stand plain functions: layers of a router cost each request a copy of all layers and a box for every step, which was
/// a sixth of what an opening took.
pub struct Main {
    state: Arc<State>,
    cors: CorsLayer,
    routes: Router,
}

impl Door {
    /// The main listener's.
    #[must_use]
    pub fn main(state: Arc<State>) -> Self {
        Door::Main(Box::new(Main {
            cors: router::cors(&state.config.cors_origins),
            routes: router::main(state.clone()),
            state,
        }))
    }

    /// The admin listener's.
    #[must_use]
    pub fn admin(state: Arc<State>) -> Self {
        Door::Admin(router::admin(state))
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request) -> Response {
        match self {
            Door::Main(main) => main.answer(request).await,
            Door::Admin(routes) => route(routes, request).await,
        }
    }
}

impl Main {
    async fn answer(&self, request: Request) -> Response {
        guard::every_name(&self.state, request, async |request| {
            let asked = service_fn(|request| async { Ok(self.checked(request).await) });
            let answered: Result<Response, Infallible> =
                self.cors.layer(asked).oneshot(request).await;
            let Ok(response) = answered;
            response
        })
        .await
    }

    async fn checked(&self, request: Request) -> Response {
        guard::every_request(&self.state, request, async |request| {
            // by far the most of what comes when all come at once: the routes would lead to the same, in more steps
            if request.method() == Method::GET && request.uri().path() == stream::PATH {
                let opening = stream::open(Shared(self.state.clone()), request);
                return Box::pin(opening).await.into_response();
            }
            Box::pin(route(&self.routes, request)).await
        })
        .await
    }
}

async fn route(routes: &Router, request: Request) -> Response {
    let Ok(response) = routes.clone().oneshot(request).await;
    response
}
