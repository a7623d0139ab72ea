"""What both clients do when somebody says no: the server, which is believed, or somebody on the way to it, who may be gone the next minute."""

import asyncio
import unittest
import warnings

from script import Driven, Memory, answer, digest_of, each, frame, heartbeat, hello, log, page, refusal, stream
from sigcast import AsyncClient, AuthenticationError, Client, Filter, RefusedError, State, StateError


class Full:
    """A store that takes nothing."""

    def __init__(self, kept=None):
        self._kept = kept

    def load(self):
        return self._kept

    def save(self, state):
        raise StateError("no room")


class Refused(unittest.TestCase):
    def test_what_somebody_on_the_way_says_is_no_last_word(self):
        foreign = '{"error":{"code":"not_found","message":"a gateway\'s own"}}'
        script = [
            page(401),
            page(403),
            page(404),
            page(302, "location: http://127.0.0.1:9/sign-in\r\n"),
            page(404, body=foreign),
            page(404, body='{"error":{"code":"x","message":"of something else","status":400}}'),
            page(404, body="null"),
            page(404, body='{"error":"gone"}'),
            page(401, body='{"error":{"code":401,"message":"of a gateway","status":401}}'),
            page(403, body='{"error":{"code":null,"message":"of another","status":403}}'),
            answer(204, ""),
            page(404, body="[" * 50_000),
            stream(hello(0), frame(1)),
        ]
        for one, _ in each(self, script):
            seqs, error = one.drain()
            self.assertEqual(seqs, [1])
            self.assertIsInstance(error, AuthenticationError)
            self.assertEqual(error.code, "end_of_script")
            refused = [notice.error for notice in one.notices if type(notice).__name__ == "Refused"]
            self.assertEqual([each.code for each in refused], ["http_401", "http_403", "http_404", "http_302"] + ["http_404"] * 4 + ["http_401", "http_403", "http_404"])
            for each_one in refused:
                self.assertIsInstance(each_one, RefusedError)
                self.assertIn("not the server's own answer", str(each_one))

    def test_where_rest_refuses_to_fill_a_hole_the_stream_brings_it(self):
        for status, code in [(403, "plan_has_no_rest"), (400, "invalid_parameter"), (429, "quota_exceeded"), (503, "unavailable")]:
            script = [stream(hello(0), frame(1), frame(3)), stream(hello(1), frame(2), frame(3))]
            for one, server in each(self, script, {"/api/signals": refusal(status, code, 72_000)}):
                self.assertEqual(one.drain()[0], [1, 2, 3])
                self.assertEqual(server.streams()[1]["headers"]["last-event-id"], "e-1")
                waits = [notice.seconds for notice in one.notices if type(notice).__name__ == "Waiting"]
                self.assertLess(max(waits), 0.1)
                lost = next(notice.error for notice in one.notices if type(notice).__name__ == "Lost")
                self.assertIn(code, str(lost))

    def test_with_a_filter_too_it_goes_back_to_where_all_was_whole_and_nothing_is_handled_twice(self):
        def broken(wire, _):
            wire.close()

        short = stream(hello(0), frame(2), heartbeat(5, matched=1), frame(7), frame(9), heartbeat(9, matched=4))
        whole = stream(hello(5), frame(6), frame(7), frame(9), heartbeat(9, matched=3))
        for rest in [refusal(403, "plan_has_no_rest"), broken]:
            for one, server in each(self, [short, whole], {"/api/signals": rest}, filter=Filter(min_rank="A"), state=Memory):
                store = one.client._core.progress._store
                self.assertEqual(one.drain()[0], [2, 7, 9, 6])
                self.assertEqual(server.streams()[1]["headers"]["last-event-id"], "e-5")
                self.assertEqual(one.client.position, "e-9")
                digest = one.client.digest
                self.assertEqual((digest.from_, digest.count), ("e-6", 3), "it holds them in order")
                # had the process ended in between, it would have begun there as well
                self.assertIn("e-9,e-5,e-6", ",".join(state.id for state in store.saved))

    def test_what_is_missing_under_a_filter_is_lost_by_no_end_in_the_middle(self):
        short = stream(hello(0), frame(2), heartbeat(5, matched=1), frame(7), frame(9), heartbeat(9, matched=4))
        whole = stream(hello(5), frame(6), frame(7), frame(9))
        for one, server in each(self, [short, whole], {"/api/signals": log(6, 7, 9)}, filter=Filter(min_rank="A"), state=Memory):
            store = one.client._core.progress._store

            def handle(event):
                if event.signal["seq"] == 6:
                    raise ZeroDivisionError

            with self.assertRaises(ZeroDivisionError):
                one.run(handle)
            self.assertEqual(store.saved[-1].id, "e-5", "before what is missing")
            again = Driven(type(one.client), server.url, filter=Filter(min_rank="A"), state=store, once=one.client.once)
            self.assertEqual(again.drain()[0], [6])
            self.assertEqual(server.streams()[1]["headers"]["last-event-id"], "e-5")
            self.assertEqual((store.saved[-1].id, store.saved[-1].digest), ("e-9", digest_of(6, 7, 9)))

    def test_what_is_no_list_of_the_server_fills_no_hole(self):
        stale = '{"items":[],"next":"e-1","epoch":"e","head":1}'
        for bad in [stale, '{"items":[],"total":0}', '{"items":[{"a":1}],"next":"e-3","epoch":"e","head":3}', "[]"]:
            script = [stream(hello(0), frame(1), frame(3)), stream(hello(1), frame(2), frame(3))]
            for one, _ in each(self, script, {"/api/signals": answer(200, bad)}):
                self.assertEqual((one.drain()[0], one.gaps), ([1, 2, 3], []), bad)

    def test_where_the_position_cannot_be_saved_nothing_is_asked_for(self):
        for one, server in each(self, [stream(hello(4), frame(5))], start="e-4", state=Full):
            seqs, error = one.drain()
            self.assertEqual(seqs, [])
            self.assertIsInstance(error, StateError)
            self.assertEqual(server.asked, [])
        for id in ["e-4\r\nX: y", "", "é", 7]:
            for one, server in each(self, [stream(hello(4), frame(5))], state=lambda id=id: Full(State(id, ""))):
                self.assertIsInstance(one.drain()[1], StateError)
                self.assertEqual(server.asked, [])

    def test_who_listens_to_nothing_is_told_once_that_the_stream_does_not_come_back(self):
        for one, _ in each(self, [page(404)] * 9, on_notice=None):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                self.assertIsInstance(one.drain()[1], AuthenticationError)
            said = [str(each.message) for each in caught if "no stream" in str(each.message)]
            self.assertEqual(len(said), 1)
            self.assertRegex(said[0], "no stream after 6 tries.*http_404")

    def test_what_is_still_there_of_a_gap_can_be_read(self):
        seqs = list(range(1, 451))
        gap = 'event: gap\ndata: {"from":null,"to":null,"reason":"epoch_changed","backfill":"/api/signals?after=e-0"}\nid: e-450\n\n'
        for one, _ in each(self, [stream(gap, frame(451))], {"/api/signals": log(*seqs)}, start="old-150"):
            self.assertEqual(one.drain()[0], [451])
            (told,) = one.gaps
            if isinstance(one.client, Client):
                found = [event.signal["seq"] for event in one.client.log.backfill(told)]
                nothing = list(one.client.log.backfill({**told, "backfill": None}))
            else:
                found, nothing = asyncio.run(read(one.client, told)), []
            self.assertEqual((found, nothing), (seqs, []))


async def read(client: AsyncClient, gap):
    return [event.signal["seq"] async for event in client.log.backfill(gap)]


if __name__ == "__main__":
    unittest.main()
