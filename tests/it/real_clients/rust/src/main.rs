//! One stream client, used as its own documentation says. Prints the id of each signal, in order.

use futures::StreamExt as _;

fn show(event: &str, data: &str) {
    match event {
        "hello" => println!("connected"),
        "signal" => {
            let signal: serde_json::Value = serde_json::from_str(data).expect("JSON");
            println!("{}", signal["id"].as_str().expect("an id"));
        }
        _ => {}
    }
}

async fn reqwest_eventsource(url: &str, bearer: &str) {
    use reqwest_eventsource::{Event, EventSource};
    let request = reqwest::Client::new()
        .get(url)
        .header("authorization", bearer);
    let mut source = EventSource::new(request).expect("a request that can be sent again");
    while let Some(event) = source.next().await {
        match event {
            Ok(Event::Open) => {}
            Ok(Event::Message(message)) => show(&message.event, &message.data),
            // it comes back by itself, unless it was refused
            Err(error) => eprintln!("{error}"),
        }
    }
}

async fn eventsource_client(url: &str, bearer: &str) {
    use eventsource_client::{Client as _, ClientBuilder, SSE};
    use launchdarkly_sdk_transport::HyperTransport;
    let transport = HyperTransport::builder().build_http().expect("a transport");
    let builder = ClientBuilder::for_url(url).expect("a URL");
    let builder = builder.header("authorization", bearer).expect("a header");
    let client = builder.build_with_transport(transport);
    let mut stream = client.stream();
    while let Some(event) = stream.next().await {
        match event {
            Ok(SSE::Event(event)) => show(&event.event_type, &event.data),
            Ok(_) => {}
            Err(error) => eprintln!("{error}"),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let set = |name| std::env::var(name).expect(name);
    let url = set("SIGCAST_URL") + "/api/signals/stream";
    let bearer = format!("Bearer {}", set("SIGCAST_KEY"));
    match std::env::args().nth(1).as_deref() {
        Some("reqwest-eventsource") => reqwest_eventsource(&url, &bearer).await,
        Some("eventsource-client") => eventsource_client(&url, &bearer).await,
        other => panic!("unknown client {other:?}"),
    }
}
