"""Both clients on a server that misbehaves: what they handle, in which order, where they say that they stand, and when they give up."""

import asyncio
import logging
import signal as signals
import socket
import sys
import threading
import time
import unittest
import warnings
from datetime import datetime, timezone

from script import BOTH, HEAD, KEY, OPEN, Driven, Memory, Script, answer, chunk, digest_of, each, frame, heartbeat, hello, log, refusal, signal, stream, text
from sigcast import (
    AsyncClient,
    AuthenticationError,
    Client,
    FatalError,
    Filter,
    Once,
    Replay,
    RequestError,
    SigcastError,
    State,
    SubscriptionError,
    SupersededError,
)

logging.getLogger("asyncio").setLevel(logging.CRITICAL)


class Streams(unittest.TestCase):
    def each(self, *given, **options):
        return each(self, *given, **options)

    def test_it_comes_back_by_itself_and_says_where_it_stood(self):
        script = [
            stream(hello(3), frame(4), frame(5)),
            refusal(503, "unavailable", 0),
            lambda wire, _: wire.close(),
            stream(hello(5), frame(6)),
        ]
        for one, server in self.each(script):
            seqs, error = one.drain()
            self.assertEqual(seqs, [4, 5, 6])
            self.assertIsInstance(error, AuthenticationError)
            self.assertEqual(error.code, "end_of_script")
            ids = [asked["headers"].get("last-event-id") for asked in server.streams()]
            self.assertEqual(ids, [None, "e-5", "e-5", "e-5", "e-6"])
            for asked in server.asked:
                self.assertEqual(asked["headers"]["authorization"], f"Bearer {KEY}")
                self.assertNotIn(KEY, str(asked["query"]))
            self.assertEqual(server.asked[0]["query"], {"heartbeat": "event"})
            self.assertEqual(one.kinds(), ["Connected", "Waiting", "Refused", "Waiting", "Lost", "Waiting", "Connected", "Waiting"])

    def test_the_position_moves_only_over_what_was_handled(self):
        for one, _ in self.each([stream(hello(0), frame(1), frame(2), frame(3), OPEN)], state=Memory):
            store = one.client._core.progress._store

            def handle(event):
                if event.signal["seq"] == 2:
                    raise ZeroDivisionError

            with self.assertRaises(ZeroDivisionError):
                one.run(handle)
            self.assertEqual(one.client.position, "e-1")
            self.assertEqual([state.id for state in store.saved], ["e-0", "e-1"])

    def test_what_is_left_in_hand_comes_again_unless_it_was_acknowledged(self):
        twice = stream(hello(0), frame(1), frame(2), OPEN)
        for one, _ in self.each([twice, twice, stream(hello(2), frame(3))]):
            one.loop(lambda event: event.signal["seq"] == 2)
            self.assertEqual(one.client.position, "e-1")
            seen = []

            async def acknowledged(event):
                seen.append(event.signal["seq"])
                await one.client.ack()
                one.client.close()

            if isinstance(one.client, Client):
                for event in one.client:
                    seen.append(event.signal["seq"])
                    one.client.ack()
                    break
                self.assertEqual(one.drain()[0], [3])
            else:
                one.run(acknowledged)
            self.assertEqual(seen, [2], "again")

    def test_a_loop_that_is_left_holds_nothing(self):
        first = signal(1)["id"]

        def ended(over):
            def say(wire, _):
                wire.sendall(HEAD + chunk(hello(0)) + chunk(frame(1)))
                over.append(wire.recv(1))

            return say

        over = []
        client = Client(Script(self, [ended(over)]).url, KEY)
        for _ in client:
            break
        client.once.try_claim(first).release()

        async def left():
            client = AsyncClient(Script(self, [ended(over)]).url, KEY)
            async for _ in client:
                break
            for _ in range(10):
                await asyncio.sleep(0.01)
            client.once.try_claim(first).release()

        asyncio.run(left())
        for _ in range(100):
            if len(over) == 2:
                break
            time.sleep(0.02)
        self.assertEqual(over, [b"", b""], "the server is told")

    def test_run_takes_what_its_function_has_done(self):
        for one, _ in self.each([stream(hello(0), frame(1), frame(2), OPEN)]):
            seqs = []

            def handle(event):
                seqs.append(event.signal["seq"])
                if len(seqs) == 2:
                    one.client.close()

            one.run(handle)
            self.assertEqual(seqs, [1, 2])
            self.assertEqual((one.client.position, one.client.digest), ("e-2", digest_of(1, 2)))

    def test_refusals_that_will_not_pass_end_it_by_kind(self):
        kinds = [(400, RequestError), (401, AuthenticationError), (403, SubscriptionError), (404, RequestError), (302, RequestError), (410, RequestError)]
        for status, kind in kinds:
            for one, server in self.each([refusal(status, "no_good")]):
                _, error = one.drain()
                self.assertIsInstance(error, kind)
                self.assertIsInstance(error, FatalError)
                self.assertEqual((error.status, error.code, len(server.asked)), (status, "no_good", 1))

    def test_refusals_that_pass_are_waited_for(self):
        script = [
            refusal(429, "connection_limit", 0),
            refusal(500, "internal_error"),
            answer(200, "<p>a portal", "content-type: text/html\r\n"),
            answer(502, "<p>a proxy", "retry-after: Thu, 01 Jan 1970 00:00:00 GMT\r\n"),
            stream('event: bye\ndata: {"reason":"overloaded"}\nretry: 2\n\n'),
            stream(hello(0), frame(1)),
        ]
        for one, _ in self.each(script):
            self.assertEqual(one.drain()[0], [1])
            kinds = [kind for kind in one.kinds() if kind != "Waiting"]
            self.assertEqual(kinds, ["Refused", "Refused", "Lost", "Refused", "Ended", "Connected"])

    def test_retry_after_is_the_least_that_is_waited(self):
        for one, _ in self.each([refusal(429, "rate_limited", 7)]):
            waits = []

            def note(notice):
                if type(notice).__name__ == "Waiting":
                    waits.append(notice.seconds)
                    one.client.close()

            one.client._core._on_notice = note
            self.assertEqual(one.drain(), ([], None))
            self.assertEqual(len(waits), 1)
            self.assertTrue(7 <= waits[0] <= 8.75, waits)

    def test_204_and_the_end_of_a_replay_are_the_end(self):
        end = 'event: bye\ndata: {"reason":"replay_finished"}\nretry: 1\n\n'
        since = datetime(1970, 1, 1, tzinfo=timezone.utc)
        over = [lambda wire, _: wire.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")]
        for one, _ in self.each(over, since=since, replay=Replay("2026-04-25")):
            self.assertEqual(one.drain(), ([], None))
        for one, server in self.each([stream(hello(0), frame(1), end)], since=since, replay=Replay("2026-04-25", 60)):
            self.assertEqual(one.drain(), ([1], None))
            query = server.asked[0]["query"]
            self.assertEqual((query["since"], query["replay_until"], query["speed"]), ("1970-01-01T00:00:00+00:00", "2026-04-25", "60"))

    def test_error_frames_end_it_for_good_or_for_a_moment(self):
        def said(code, status, retryable):
            return f"event: error\ndata: {text({'code': code, 'status': status, 'message': 'm', 'retryable': retryable})}\n\n"

        for code, status, kind in [("key_revoked", 401, AuthenticationError), ("subscription_expired", 403, SubscriptionError), ("superseded", 429, SupersededError)]:
            for one, server in self.each([stream(hello(0), frame(1), said(code, status, False), OPEN)]):
                seqs, error = one.drain()
                self.assertEqual((seqs, type(error), error.code, len(server.asked)), ([1], kind, code, 1))
        slow = stream(hello(0), frame(1), said("slow_consumer", 429, True), OPEN)
        for one, _ in self.each([slow, stream(hello(1), frame(2))]):
            self.assertEqual(one.drain()[0], [1, 2])

    def test_silence_is_death(self):
        def never(wire, _):
            wire.recv(1)

        script = [stream(hello(0, ping_seconds=0.04), frame(1), OPEN), never, stream(hello(1), frame(2))]
        for one, _ in self.each(script, answer_timeout=0.15):
            self.assertEqual(one.drain()[0], [1, 2])
            lost = [notice.error for notice in one.notices if type(notice).__name__ == "Lost"]
            self.assertEqual([type(error).__name__ for error in lost], ["SilenceError", "SilenceError"])
            self.assertIn("0.1 s", str(lost[0]))

    def test_pings_are_life_and_a_slow_handler_is_no_silence(self):
        def pings(wire, _):
            wire.sendall(HEAD + chunk(hello(0, ping_seconds=0.1)) + chunk(frame(1)))
            for _ in range(12):
                time.sleep(0.05)
                wire.sendall(chunk(": ping\n"))
            wire.sendall(chunk(frame(2)) + b"0\r\n\r\n")

        for one, _ in self.each([pings]):
            seqs = []

            def handle(event):
                seqs.append(event.signal["seq"])
                if len(seqs) == 1:
                    time.sleep(0.3)

            with self.assertRaises(AuthenticationError):
                one.run(handle)
            self.assertEqual(seqs, [1, 2])
            self.assertNotIn("Lost", one.kinds())

    def test_a_hole_that_nobody_announced_is_fetched_from_the_log_in_order(self):
        for one, _ in self.each([stream(hello(0), frame(1), frame(4), OPEN)], {"/api/signals": log(1, 2, 3, 4, 5)}):
            seen = []

            def handle(event):
                seen.append(f"{event.channel} {event.place}")
                if event.place == "e-4":
                    one.client.close()

            one.run(handle)
            self.assertEqual(seen, ["stream e-1", "log e-2", "log e-3", "stream e-4"])
            hole = next(notice for notice in one.notices if type(notice).__name__ == "Hole")
            self.assertEqual((hole.first, hole.last, hole.recovered), (2, 3, 2))
            self.assertEqual((one.gaps, one.client.digest), ([], digest_of(1, 2, 3, 4)))

    def test_what_the_log_has_not_either_is_a_gap(self):
        for one, _ in self.each([stream(hello(0), frame(1), frame(6))], {"/api/signals": log(1, 3, 6)}):
            self.assertEqual(one.drain()[0], [1, 3, 6])
            gaps = [(gap["from"], gap["to"], gap["reason"]) for gap in one.gaps]
            self.assertEqual(gaps, [(2, 2, "missing"), (4, 5, "missing")])
            self.assertEqual(one.client.digest, digest_of(6))

    def test_a_hole_that_cannot_be_filled_now_is_asked_for_again(self):
        for kind in BOTH:
            fails = [refusal(503, "unavailable", 0)]
            rest = lambda wire, asked: (fails.pop() if fails else log(1, 2, 3))(wire, asked)  # noqa: E731
            server = Script(self, [stream(hello(0), frame(1), frame(3)), stream(hello(1), frame(3))], {"/api/signals": rest})
            self.assertEqual(Driven(kind, server.url).drain()[0], [1, 2, 3])
            self.assertEqual(server.streams()[1]["headers"]["last-event-id"], "e-1")

    def test_a_heartbeat_moves_the_position_and_shows_what_is_missing_behind_it(self):
        for one, _ in self.each([stream(hello(0), frame(1), heartbeat(1), heartbeat(2))], {"/api/signals": log(1, 2)}):
            self.assertEqual(one.drain()[0], [1, 2])
        # with a filter, holes are usual; how many have passed is told
        filtered = stream(hello(0), frame(2), heartbeat(5, matched=1), frame(7), frame(9), heartbeat(9, matched=4))
        for one, server in self.each([filtered], {"/api/signals": log(6, 7, 9)}, filter=Filter(min_rank="A")):
            self.assertEqual(one.drain()[0], [2, 7, 9, 6])
            holes = [(notice.first, notice.last, notice.recovered) for notice in one.notices if type(notice).__name__ == "Hole"]
            self.assertEqual((holes, one.client.position), ([(6, 9, 1)], "e-9"))
            asked = next(asked for asked in server.asked if asked["path"] == "/api/signals")["query"]
            self.assertEqual((asked["min_rank"], asked["after"]), ("A", "e-5"))

    def test_a_gap_is_told_before_the_client_goes_on_behind_it(self):
        gap = 'event: gap\ndata: {"from":2,"to":9,"reason":"pruned","backfill":"/api/signals?after=e-9"}\nid: e-9\n\n'
        bare = hello(9).replace("id: e-9\n", "")
        for one, server in self.each([stream(bare + gap, frame(10))], state=lambda: Memory(State("e-1", ""))):
            store = one.client._core.progress._store
            seen = []
            one.client._core._on_gap = lambda gap: seen.append((gap["reason"], gap["from"], gap["to"], one.client.position))
            self.assertEqual(one.drain()[0], [10])
            self.assertEqual(seen, [("pruned", 2, 9, "e-1")])
            self.assertEqual([state.id for state in store.saved], ["e-1", "e-9", "e-10"])
            self.assertEqual(server.asked[0]["headers"]["last-event-id"], "e-1")
            self.assertEqual(one.client.digest.from_, "e-10")
        for one, _ in self.each([stream(bare + gap)], on_gap=None):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                one.drain()
            self.assertIn("2 to 9 will not come (pruned)", str([str(each.message) for each in caught]))

    def test_nothing_is_handled_twice_on_whichever_channel(self):
        def had_one():
            once = Once()
            once.claim(signal(1)["id"]).done()
            return once

        for one, _ in self.each([stream(hello(0), frame(1), frame(2)), stream(hello(2), frame(2), frame(3))], once=had_one):
            self.assertEqual(one.drain()[0], [2, 3])
            places = [notice.place for notice in one.notices if type(notice).__name__ == "Duplicate"]
            self.assertEqual(places, ["e-1", "e-2"])
            # what came another way belongs to the range, too
            self.assertEqual(one.client.digest, digest_of(1, 2, 3))

    def test_what_another_channel_is_at_is_waited_for(self):
        for outcome, expected in [("done", [2]), ("release", [1, 2])]:
            for one, _ in self.each([stream(hello(0), frame(1), frame(2))], once=Once):
                claim = one.client.once.claim(signal(1)["id"])
                threading.Timer(0.1, getattr(claim, outcome)).start()
                self.assertEqual(one.drain()[0], expected)

    def test_a_digest_goes_on_over_a_restart_and_is_held_against_the_servers(self):
        def digests(wire, asked):
            query = asked["query"]
            state = digest_of(1, 2, 3).as_dict()
            answer(200, text({**state, "from": query["from"], "epoch": "e", "head": 9}))(wire, asked)

        for kind in BOTH:
            store = Memory()
            server = Script(self, [stream(hello(0), frame(1), OPEN), stream(hello(1), frame(2), frame(3))], {"/api/signals/digest": digests})
            first = Driven(kind, server.url, state=store)
            with self.assertRaisesRegex(SigcastError, "nothing"):
                first.ask("verify")
            first.run(lambda _: first.client.close())
            self.assertFalse(first.ask("verify").matches, "it has one of the three")
            second = Driven(kind, server.url, state=store)
            self.assertEqual(second.drain()[0], [2, 3])
            checked = second.ask("verify")
            self.assertEqual((checked.matches, checked.theirs["from"], checked.theirs["to"], checked.ours.count), (True, "e-1", "e-3", 3))
            second.ask("verify", restart=True)
            self.assertIsNone(second.client.digest)
            # under another filter, it is no part of that digest
            third = Driven(kind, server.url, state=store, filter=Filter(market="crypto"))
            third.drain()
            self.assertEqual((third.client.position, third.client.digest), ("e-3", None))

    def test_closing_wakes_whoever_waits(self):
        server = Script(self, [stream(hello(0), OPEN)])
        one = Driven(Client, server.url)
        threading.Timer(0.1, one.client.close).start()
        self.assertEqual(one.drain(), ([], None))
        self.assertEqual(one.kinds(), ["Connected"], "it is not lost, and comes not back")
        gone = Driven(Client, "http://127.0.0.1:9", first_delay=60, longest_delay=60)
        threading.Timer(0.1, gone.client.close).start()
        self.assertEqual(gone.drain(), ([], None))

        # while it connects, to a port that takes no more, and while it greets
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_server(("127.0.0.1", 0)) as silent:
            filling = [socket.socket() for _ in range(4)]
            for one in filling:
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            for url in [f"http://127.0.0.1:{full.getsockname()[1]}", f"https://127.0.0.1:{silent.getsockname()[1]}"]:
                waits = Driven(Client, url, answer_timeout=60)
                threading.Timer(0.2, waits.client.close).start()
                began = time.monotonic()
                self.assertEqual(waits.drain(), ([], None))
                self.assertLess(time.monotonic() - began, 30, url)
            for one in filling:
                one.close()

        # also a signal's handler, which runs where the client waits
        for url in [Script(self, [stream(hello(0), OPEN)]).url, "http://127.0.0.1:9"]:
            one = Driven(Client, url, first_delay=60, longest_delay=60)
            before = signals.signal(signals.SIGALRM, lambda *_, client=one.client: client.close())
            signals.setitimer(signals.ITIMER_REAL, 0.1)
            self.assertEqual(one.drain(), ([], None))
            signals.signal(signals.SIGALRM, before)

        async def closed(url, **more):
            client = AsyncClient(url, KEY, **more)
            asyncio.get_running_loop().call_later(0.1, client.close)
            return [event async for event in client]

        server = Script(self, [stream(hello(0), OPEN)])
        for waiting in [closed(server.url), closed("http://127.0.0.1:9", first_delay=60)]:
            self.assertEqual(asyncio.run(asyncio.wait_for(waiting, 5)), [])

        async def cancelled():
            client = AsyncClient("http://127.0.0.1:9", KEY, first_delay=60)
            await asyncio.wait_for(client.run(lambda _: None), 0.1)

        with self.assertRaises(asyncio.TimeoutError):
            asyncio.run(cancelled())

        async def closed_and_cancelled():
            client = AsyncClient("http://127.0.0.1:9", KEY, first_delay=60)
            task = asyncio.ensure_future(client.run(lambda _: None))
            await asyncio.sleep(0.1)
            client.close()
            task.cancel()
            await asyncio.wait([task])
            return task.cancelled()

        if sys.version_info >= (3, 11):
            self.assertTrue(asyncio.run(closed_and_cancelled()), "a task that was cancelled says so")

    def test_a_key_is_read_once_at_a_time(self):
        server = Script(self, [stream(hello(0), frame(1), OPEN)])
        client = Client(server.url, KEY)
        reading = iter(client)
        for _ in reading:
            thread = threading.Thread(target=lambda: [None for _ in reading])
            break
        thread.start()
        time.sleep(0.2)
        with self.assertRaisesRegex(SigcastError, "one stream"):
            iter(client)
        client.close()
        thread.join(5)
        self.assertFalse(thread.is_alive())

    def test_what_is_no_signal_is_a_broken_connection_not_a_lost_signal(self):
        for bad in ['{"seq":1,', "[]", '{"seq":1}']:
            for one, server in self.each([stream(hello(0), f"event: signal\ndata: {bad}\nid: e-1\n\n"), stream(hello(0), frame(1))]):
                self.assertEqual(one.drain()[0], [1])
                self.assertIn("Lost", one.kinds())
                self.assertEqual(server.streams()[1]["headers"]["last-event-id"], "e-0")

    def test_digits_are_kept(self):
        for one, _ in self.each([stream(hello(0), frame(1).replace("0.5", "0.123456789012345678901"))]):
            exact = []
            with self.assertRaises(AuthenticationError):
                one.run(lambda event: exact.append(str(event.exact()["price"])))
            self.assertEqual(exact, ["0.123456789012345678901"])

    def test_the_key_is_shown_nowhere(self):
        for one, _ in self.each([refusal(401, "invalid_api_key")]):
            _, error = one.drain()
            seen = [repr(one.client), str(vars(one.client)), repr(one.client._core), str(vars(one.client._core)), str(vars(one.client._core.endpoint))]
            for shown in [*seen, repr(error), str(vars(error)), repr(one.notices)]:
                self.assertNotIn(KEY, shown)
        for url, key in [(f"http://user:{KEY}@x/", KEY), (f"http://x/?key={KEY}", KEY), ("http://x", f"{KEY}\n"), ("http://x", ""), ("x", KEY)]:
            for kind in BOTH:
                with self.assertRaises(ValueError) as raised:
                    kind(url, key)
                self.assertNotIn(KEY, str(raised.exception))

    def test_nobody_there_is_a_lost_connection(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        for kind in BOTH:
            one = Driven(kind, f"http://127.0.0.1:{port}")
            one.client._core._on_notice = lambda notice: (one.notices.append(notice), len(one.notices) > 3 and one.client.close())
            self.assertEqual(one.drain(), ([], None))
            self.assertEqual(one.kinds()[:4], ["Lost", "Waiting", "Lost", "Waiting"])


if __name__ == "__main__":
    unittest.main()
