//! Whatever happens to streams in a shard, each byte that a socket took belongs to a whole frame, each frame comes once, and none is left out.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{
    chunk,
    frame::{self, Ending},
    seat::{End, Lapse},
    shard_world::{Client, TOKENS, World},
    test_node::{AT_NEXT_LOOK, NOW},
};
use crate::{
    gate::filter::{Filter, MinScore},
    model::time::Time,
};

/// The contents of chunks, and whether the body has ended.
fn chunks(mut bytes: &[u8]) -> (Vec<String>, bool) {
    let mut all = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let (begin, end) = (end + 2, end + 2 + size);
        assert_eq!(&bytes[end..end + 2], b"\r\n", "a chunk's end");
        if size == 0 {
            assert_eq!(bytes.len(), end + 2, "nothing after the end");
            return (all, true);
        }
        all.push(String::from_utf8(bytes[begin..end].to_vec()).unwrap());
        bytes = &bytes[end + 2..];
    }
    assert!(bytes.is_empty(), "{} bytes of no chunk", bytes.len());
    (all, false)
}

/// Signals of which every byte is there.
fn whole(mut bytes: &[u8]) -> Vec<i64> {
    let mut seqs = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 || bytes.len() < end + 2 + size + 2 {
            break;
        }
        let chunk = std::str::from_utf8(&bytes[end + 2..end + 2 + size]).unwrap();
        if chunk.starts_with("event: signal") {
            let id = chunk.rsplit("id: e-").next().unwrap();
            seqs.push(id.trim().parse().unwrap());
        }
        bytes = &bytes[end + 2 + size + 2..];
    }
    seqs
}

impl Client {
    /// Holds what is noted of it against what it has: never more, ...
    fn check_never_more(&self, world: &World) -> i64 {
        let noted = world.written.get(&self.seat.connection);
        let until = noted.map_or(self.from, |range| range.until);
        if let Some(range) = noted {
            assert_eq!(range.after, self.from);
        }
        let has = whole(&self.pipe.taken());
        let said = world.published.iter().filter(|(seq, token)| {
            *seq > self.from
                && *seq <= until
                && self.filter.token.as_ref().is_none_or(|own| own == token)
        });
        for (seq, _) in said {
            assert!(has.contains(seq), "{seq} is noted, and not written");
        }
        until
    }

    /// ... and where it is here and lacks nothing, all of it.
    fn check_notes(&self, world: &World) {
        let until = self.check_never_more(world);
        if self.key.is_some() && self.left.is_none() {
            let head = world.published.len() as i64;
            assert_eq!(until, head.max(self.from), "all of it was written");
        }
    }

    /// Holds what it has against what it should have.
    fn check(&self, world: &World) {
        let mut bytes = self.pipe.taken();
        let head = world.published.len() as i64;
        let (rest, until) = match &self.left {
            Some((rest, at)) => (rest.as_slice(), at.unwrap_or(i64::MAX)),
            None => (&[][..], head),
        };
        bytes.extend_from_slice(rest);
        let (chunks, ended) = chunks(&bytes);
        let over = self.left.as_ref().is_some_and(|(_, at)| at.is_none());
        assert_eq!(ended, over);
        let signals = chunks
            .iter()
            .filter(|chunk| chunk.starts_with("event: signal"));
        let seqs: Vec<i64> = signals
            .map(|chunk| {
                let id = chunk.rsplit("id: e-").next().unwrap();
                id.trim().parse().unwrap()
            })
            .collect();
        let wanted = |(seq, token): &&(i64, &str)| {
            *seq > self.from
                && *seq <= until
                && self.filter.token.as_ref().is_none_or(|own| own == token)
        };
        let wanted: Vec<i64> = world
            .published
            .iter()
            .filter(wanted)
            .map(|(seq, _)| *seq)
            .collect();
        if over {
            // it was ended at some moment: without a hole until then
            assert_eq!(seqs, wanted[..seqs.len()]);
        } else {
            assert_eq!(seqs, wanted);
        }
    }
}

#[derive(Clone, Debug)]
enum Act {
    Publish(usize, usize, &'static str),
    Connect(Option<&'static str>, i64),
    Room(usize, usize),
    Sweep,
    End(usize),
    Probe(usize),
    Ping,
    /// Whether the node may send signals.
    Mute(bool),
    /// How far streams were written to.
    Look,
}

fn act() -> impl Strategy<Value = Act> {
    let token = prop::sample::select(TOKENS.as_slice());
    prop_oneof![
        4 => (1..4_usize, 0..3_000_usize, token.clone()).prop_map(|(n, size, t)| Act::Publish(n, size, t)),
        // enough to push a stalled one out of what is kept
        1 => (10..40_usize, 20_000..40_000_usize, token.clone()).prop_map(|(n, size, t)| Act::Publish(n, size, t)),
        2 => (prop::option::of(token), -3..3_i64).prop_map(|(t, by)| Act::Connect(t, by)),
        5 => (0..20_usize, 0..60_000_usize).prop_map(|(who, room)| Act::Room(who, room)),
        4 => Just(Act::Sweep),
        1 => (0..20_usize).prop_map(Act::End),
        1 => (0..20_usize).prop_map(Act::Probe),
        1 => Just(Act::Ping),
        1 => Just(Act::Look),
        2 => any::<bool>().prop_map(Act::Mute),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn each_gets_every_frame_once_and_whole(
        together in any::<bool>(),
        acts in prop::collection::vec(act(), 1..80),
    ) {
        let mut world = World::new();
        if together {
            world.shard.write_by_turns();
        }
        let mut clients: Vec<Client> = Vec::new();
        let mut now = Instant::now();
        for act in acts {
            match act {
                Act::Publish(count, size, token) => world.publish(count, size, token),
                Act::Connect(token, by) => {
                    let filter = Filter {
                        token: token.map(str::to_owned),
                        ..Filter::default()
                    };
                    // before and after what the shard has read
                    let from = (world.published.len() as i64 + by).max(0);
                    let client = world.connect(filter, from, None);
                    clients.push(client);
                    world.collect(&mut clients);
                }
                Act::Room(who, room) => {
                    if let Some(client) = clients.get(who) {
                        client.pipe.make_room(room);
                        if let Some(key) = client.key {
                            world.shard.writable(key);
                        }
                    }
                }
                Act::Sweep => {
                    world.shard.read_on();
                    world.shard.sweep();
                }
                Act::End(who) => {
                    if let Some(client) = clients.get(who) {
                        client.seat.end(End::Error(Ending::Superseded));
                    }
                }
                Act::Probe(who) => {
                    if let Some(client) = clients.get(who) {
                        client.seat.ask_probe();
                    }
                }
                Act::Mute(true) => world.hub.tenure.end(),
                Act::Mute(false) => world.hub.tenure.extend(Duration::from_secs(1)),
                Act::Ping => {
                    now += Duration::from_secs(5);
                    world.shard.tick(now);
                }
                Act::Look => {
                    world.look(&mut clients);
                    for client in &clients {
                        client.check_never_more(&world);
                    }
                }
            }
            world.collect(&mut clients);
        }
        world.hub.tenure.extend(Duration::from_secs(1));
        for round in 0..3 {
            world.run(&mut clients);
            for client in &clients {
                client.pipe.make_room(usize::MAX);
                if let Some(key) = client.key {
                    world.shard.writable(key);
                }
            }
            prop_assert!(round < 2 || !world.shard.is_behind());
        }
        world.collect(&mut clients);
        world.look(&mut clients);
        for client in &clients {
            client.check(&world);
            client.check_notes(&world);
        }
    }
}

#[test]
fn who_is_ended_gets_its_last_word_and_nothing_after() {
    let mut world = World::new();
    let mut clients = vec![world.connect(Filter::default(), 0, None)];
    clients[0].seat.end(End::Error(Ending::KeyRevoked));
    world.publish(1, 10, "A");
    world.run(&mut clients);
    let last = chunk::Chunk::of(Ending::KeyRevoked.frame());
    let expected = [&last.whole()[..], chunk::END].concat();
    assert_eq!(clients[0].pipe.taken(), expected);
    assert!(world.hub.seats.is_empty() && world.shard.is_empty());
}

#[test]
fn who_lapses_is_ended_before_the_next_signal() {
    let mut world = World::new();
    let lapse = Lapse {
        at: Time(1_000),
        ending: Ending::SubscriptionExpired,
    };
    let mut clients = vec![world.connect(Filter::default(), 0, Some(lapse))];
    world.publish(1, 10, "A");
    world.run(&mut clients);
    let taken = String::from_utf8(clients[0].pipe.taken()).unwrap();
    assert!(taken.contains("subscription_expired"), "{taken}");
    assert!(!taken.contains("event: signal\n"), "{taken}");
}

#[test]
fn pings_and_probes_are_written_and_a_full_socket_gets_them_later() {
    let mut world = World::new();
    let mut clients = vec![world.connect(Filter::default(), 0, None)];
    let client = &clients[0];
    client.pipe.make_room(3);
    world.shard.tick(Instant::now() + Duration::from_secs(26));
    assert_eq!(client.pipe.taken().len(), 3);
    client.seat.ask_probe();
    world.run(&mut clients);
    clients[0].pipe.make_room(usize::MAX);
    world.shard.writable(clients[0].key.unwrap());
    let (chunks, _) = chunks(&clients[0].pipe.taken());
    assert_eq!(
        chunks,
        [frame::PING, frame::PROBE].map(|said| String::from_utf8(said.to_vec()).unwrap())
    );
}

#[test]
fn whose_client_is_gone_frees_its_seat() {
    let mut world = World::new();
    let client = world.connect(Filter::default(), 0, None);
    client.pipe.0.lock().unwrap().to_read.extend([10, 0]);
    world.shard.readable(client.key.unwrap());
    assert!(world.hub.seats.is_empty() && world.shard.is_empty());
}

#[test]
fn a_silent_node_says_nothing_in_the_middle_of_a_frame() {
    let mut world = World::new();
    let mut clients = vec![world.connect(Filter::default(), 0, None)];
    clients[0].pipe.make_room(20);
    world.publish(1, 100, "A");
    world.run(&mut clients);
    assert_eq!(clients[0].pipe.taken().len(), 20, "its socket is full");
    world.hub.tenure.end();
    clients[0].pipe.make_room(usize::MAX);
    world.shard.writable(clients[0].key.unwrap());
    clients[0].seat.ask_probe();
    world.run(&mut clients);
    assert_eq!(clients[0].pipe.taken().len(), 20);
    world.hub.tenure.extend(Duration::from_secs(1));
    world.run(&mut clients);
    let (chunks, _) = chunks(&clients[0].pipe.taken());
    assert!(chunks[0].starts_with("event: signal\n"), "{chunks:?}");
    assert_eq!(chunks[1].as_bytes(), &frame::PROBE[..]);
}

#[test]
fn what_is_kept_for_stalled_clients_is_bounded_however_many_filters_they_think_of() {
    const STALLED: usize = 40;
    let mut world = World::new();
    let mut clients = Vec::new();
    for n in 0..STALLED {
        let filter = Filter {
            min_score: MinScore::new(n as f64),
            ..Filter::default()
        };
        let client = world.connect(filter, 0, None);
        client.pipe.make_room(0);
        clients.push(client);
    }
    let mut most = 0;
    for _ in 0..20 {
        world.publish(1, 25_000, "A");
        world.run(&mut clients);
        most = most.max(world.shard.held);
    }
    // each by itself could have 500 kB
    assert!((8 << 20..=17 << 20).contains(&most), "{most} bytes");
    let left = clients.iter().filter(|client| client.left.is_some());
    assert!(left.count() > 0, "nobody had to go");
    for client in &clients {
        client.pipe.make_room(usize::MAX);
        if let Some(key) = client.key {
            world.shard.writable(key);
        }
    }
    world.run(&mut clients);
    clients.iter().for_each(|client| client.check(&world));
}

#[test]
fn a_lapse_that_is_moved_again_and_again_is_not_kept_as_often() {
    let mut world = World::new();
    let lapse = |n: i64| Lapse {
        at: Time(1_000_000_000 + n),
        ending: Ending::SubscriptionExpired,
    };
    let mut clients = vec![world.connect(Filter::default(), 0, Some(lapse(0)))];
    for n in 0..10_000 {
        clients[0].seat.set_lapse(Some(lapse(n)));
        world.run(&mut clients);
    }
    let kept = world.shard.lapses.len();
    assert!((1..2_000).contains(&kept), "{kept} of one stream");
}

/// One is taken for those who are written to together; then it ends, and so does another of its lane, which begins the round anew.
#[test]
fn who_ends_while_it_is_about_to_be_written_to_disturbs_nobody() {
    let mut world = World::new();
    world.shard.write_by_turns();
    let later = Some(Lapse {
        at: Time(NOW.0 + 1),
        ending: Ending::SubscriptionExpired,
    });
    // the first round visits them from the last to the first; of whom may lapse, the clock is asked
    let mut clients = vec![
        world.connect(Filter::default(), 0, None),
        world.connect(Filter::default(), 0, None),
        world.connect(Filter::default(), 0, later),
        world.connect(Filter::default(), 0, None),
    ];
    world.publish(1, 10, "A");
    world.shard.read_on();
    let ended = [clients[3].seat.clone(), clients[1].seat.clone()];
    AT_NEXT_LOOK.set(Some(Box::new(move || {
        ended.iter().for_each(|seat| seat.end(End::Drain));
    })));
    world.shard.sweep();
    assert!(AT_NEXT_LOOK.take().is_none(), "it has happened");
    world.run(&mut clients);
    assert_eq!(world.shard.len(), 2);
    // places that are free again are taken by others, one of them with another filter
    let filter = Filter {
        token: Some("B".to_owned()),
        ..Filter::default()
    };
    clients.push(world.connect(filter, 1, None));
    clients.push(world.connect(Filter::default(), 1, None));
    world.publish(2, 10, "A");
    world.run(&mut clients);
    world.publish(2, 10, "B");
    world.run(&mut clients);
    for client in &clients {
        client.check(&world);
    }
}
