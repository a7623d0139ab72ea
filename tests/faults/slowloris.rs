//! Connections by the thousand that never finish a request: each is freed in time, and nobody else notices.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{
    server::{Server, until},
    wire::{PATIENCE, request},
};
use crate::{
    alone,
    bench::{Stop, spread},
    size, tell,
};

/// What a connection does instead of asking something.
#[derive(Clone, Copy)]
enum Way {
    Nothing,
    HalfAHead,
    /// A byte now and then, for ever.
    Trickle,
    /// One whole request, and then nothing.
    Idle,
    /// A head that announces a body that never comes.
    NoBody,
}

const WAYS: [Way; 5] = [
    Way::Nothing,
    Way::HalfAHead,
    Way::Trickle,
    Way::Idle,
    Way::NoBody,
];

/// From its last whole request, or its beginning, to its end by the server.
async fn slow(to: SocketAddr, way: Way) -> Duration {
    let mut tcp = TcpStream::connect(to).await.unwrap();
    let mut begun = Instant::now();
    let mut piece = [0; 1024];
    match way {
        Way::Nothing => {}
        Way::HalfAHead | Way::Trickle => {
            let half = b"GET /api/signals HTTP/1.1\r\nhost: x\r\nx-slow: ";
            tcp.write_all(half).await.unwrap();
        }
        Way::Idle => {
            let whole = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
            tcp.write_all(whole).await.unwrap();
            assert!(tcp.read(&mut piece).await.unwrap() > 0);
            begun = Instant::now();
        }
        Way::NoBody => {
            let head = b"POST /api/signals/stream/tickets HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n";
            tcp.write_all(head).await.unwrap();
        }
    }
    loop {
        if matches!(way, Way::Trickle) {
            // it may have been ended just now
            let _ = tcp.write_all(b"x").await;
        }
        // what comes beside the end is a refusal on its way out
        let next = timeout(Duration::from_millis(300), tcp.read(&mut piece)).await;
        if let Ok(Ok(0) | Err(_)) = next {
            return begun.elapsed();
        }
    }
}

#[test]
fn slow_requests_are_freed_in_time() {
    let _alone = alone();
    let count = size(500, 5_000);
    let seconds = size(3, 10) as u64;
    let server = Server::with(&[("SIGCAST_HTTP__HEADER_SECONDS", &seconds.to_string())]);
    let key = server.alpha_key();
    let stop = AtomicBool::new(false);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (mut times, mut connects, most_open) = std::thread::scope(|scope| {
        let healthy = scope.spawn(|| {
            let mut took = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let reply = request(server.main, "GET", "/livez", &[], b"");
                assert_eq!(reply.head.status, 200, "a healthy client was refused");
                server.listen(&key, "", &[]);
                took.push(begun.elapsed());
                std::thread::sleep(Duration::from_millis(50));
            }
            took
        });
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !stop.load(Ordering::Relaxed) {
                most = most.max(server.metric("sigcast_connections"));
                std::thread::sleep(Duration::from_millis(100));
            }
            most
        });
        let stopping = Stop(&stop);
        let times = runtime.block_on(async {
            let mut under_way = Vec::new();
            for n in 0..count {
                under_way.push(tokio::spawn(slow(server.main, WAYS[n % WAYS.len()])));
                if n % 100 == 99 {
                    // where more come than can wait to be accepted, the kernel makes some of them believe that they were
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            let mut times = Vec::new();
            for one in under_way {
                let ended = timeout(Duration::from_secs(60), one).await;
                times.push(ended.expect("one was never freed").unwrap());
            }
            times
        });
        drop(stopping);
        (times, healthy.join().unwrap(), watch.join().unwrap())
    });
    let (_, p99, most) = spread(&mut times);
    let (middle, _, longest) = spread(&mut connects);
    tell(format_args!(
        "{count} slow connections, {most_open} at once: freed p99 {p99:?}, most {most:?} (timeout {seconds} s); {} healthy rounds: p50 {middle:?}, most {longest:?}",
        connects.len()
    ));
    assert_eq!(times.len(), count);
    assert!(
        most_open as usize > count / 2,
        "they were there together: {most_open}"
    );
    let slack = Duration::from_secs(size(3, 1) as u64);
    assert!(most <= Duration::from_secs(seconds) + slack, "{most:?}");
    assert!(
        longest < Duration::from_secs(size(5, 1) as u64),
        "{longest:?}"
    );
    let freed = until(PATIENCE, || {
        (server.metric("sigcast_connections") <= 1).then_some(())
    });
    assert!(
        freed.is_some(),
        "{} are still counted",
        server.metric("sigcast_connections")
    );
}
