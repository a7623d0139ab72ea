//! A plain server as one writes it with axum: `Sse` over a `broadcast` channel, no keys, nothing kept.

use std::{convert::Infallible, net::Ipv4Addr};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::sse::{Event, Sse},
    routing::{get, post},
    serve::ListenerExt as _,
};
use tokio::sync::broadcast::{self, Sender};
use tokio_stream::{Stream, StreamExt as _, wrappers::BroadcastStream};

use crate::frames::EPOCH;

/// Events that a slow stream may be behind.
const BEHIND: usize = 4096;

/// Serves until it is killed; says where on standard output.
pub fn serve(threads: usize) -> std::io::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(threads).enable_all();
    runtime.build()?.block_on(async {
        let router = Router::new()
            .route("/stream", get(stream))
            .route("/events", post(publish))
            .with_state(broadcast::channel(BEHIND).0);
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("listening on http://{}", listener.local_addr()?);
        let listener = listener.tap_io(|socket| {
            // without it the peer would wait for acknowledgements; a socket that is gone needs none
            let _ = socket.set_nodelay(true);
        });
        axum::serve(listener, router).await
    })
}

async fn stream(
    State(news): State<Sender<Event>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let hello = Event::default().event("hello").data("{}");
    // who is too far behind misses events, and the clients see that
    let news = BroadcastStream::new(news.subscribe()).filter_map(Result::ok);
    Sse::new(tokio_stream::once(hello).chain(news).map(Ok))
}

/// One event a line.
async fn publish(State(news): State<Sender<Event>>, lines: String) -> StatusCode {
    for data in lines.lines() {
        let id = data.get(7..).and_then(|rest| rest.split(',').next());
        let id = format!("{EPOCH}-{}", id.unwrap_or_default());
        // fails where nobody listens
        let _ = news.send(Event::default().event("signal").data(data).id(id));
    }
    StatusCode::NO_CONTENT
}
