"""The parts of a client, each by itself: who handles what, how long is waited, what an event is called; and webhooks."""

import asyncio
import base64
import hashlib
import hmac
import threading
import time
import unittest
import warnings

from script import signal, text
from sigcast import Busy, Filter, Once, SignatureError, WebhookReceiver, verify_sigmate, verify_webhook
from sigcast.backoff import Backoff


class Parts(unittest.TestCase):
    def test_an_id_is_handled_once_by_whoever_comes_first(self):
        once = Once(2)
        first = once.claim("a")
        with self.assertRaises(Busy):
            once.try_claim("a")
        got = []
        waiting = threading.Thread(target=lambda: got.append(once.claim("a")))
        waiting.start()
        time.sleep(0.05)
        self.assertEqual(got, [])
        first.done()
        waiting.join()
        self.assertEqual(got, [None])
        # what could not be handled is the next one's
        failed = once.claim("b")
        failed.release()
        failed.done()  # too late: it was given back
        once.claim("b").done()
        self.assertTrue("a" in once and "b" in once)
        once.claim("c").done()
        self.assertEqual(["a" in once, "b" in once, "c" in once], [False, True, True], "the oldest is forgotten")

    def test_waits_grow_are_spread_and_are_bounded(self):
        still = Backoff(0.1, 1.0, lambda: 0.0)
        self.assertEqual([still.next(None) for _ in range(6)], [0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
        still.reset()
        self.assertEqual(still.next(0.25), 0.25, "the server's retry")
        self.assertEqual(still.next(0.25, 5.0), 5.0, "and Retry-After")
        self.assertEqual(still.next(0.25, 3e10), 300.0, "which may say anything")
        still.reset()
        self.assertEqual(still.next(0.0), 0.1, "which is no storm")
        self.assertAlmostEqual(Backoff(0.1, 1.0, lambda: 0.8).next(None), 0.12)

    def test_equal_filters_are_equal_texts(self):
        self.assertEqual(Filter().query(), {})
        query = Filter(market="crypto", types=["b", "a"], min_score=80.5, min_rank="A", token="T").query()
        expected = {"types": "a,b", "min_rank": "A", "min_score": "80.5", "token": "T", "market": "crypto"}
        self.assertEqual(list(query.items()), list(expected.items()))

    def test_what_a_stream_would_call_it(self):
        best = {"rank": "A", "rank_score": 76, "others": [{"rank": "B", "rank_score": 88}]}
        for fields, filter, expected in [
            ({}, Filter(), "signal"),
            ({"best_before": best}, Filter(), "signal_update"),
            ({"best_before": None}, Filter(), "signal"),
            ({"best_before": best}, Filter(min_rank="S"), "signal"),
            ({"best_before": best}, Filter(min_score=80), "signal_update"),
            ({"best_before": best}, Filter(min_rank="A", min_score=80), "signal"),
            ({"signal_type": "consensus_exit", "best_before": best}, Filter(), "signal_exit"),
        ]:
            self.assertEqual(filter.event_name(fields), expected, (fields, filter))


def secret(first):
    return "whsec_" + base64.b64encode(bytes([first]) * 32).decode()


SECRET, OLD = secret(1), secret(2)


def signed(body, secrets=(SECRET,), at=None, id="one"):
    at = int(time.time()) if at is None else at
    keys = [base64.b64decode(one[6:]) for one in secrets]
    macs = [base64.b64encode(hmac.digest(key, f"{id}.{at}.".encode() + body, "sha256")).decode() for key in keys]
    return {"webhook-id": id, "webhook-timestamp": str(at), "webhook-signature": " ".join(f"v1,{mac}" for mac in macs)}


class Webhooks(unittest.TestCase):
    def test_the_standards_own_example(self):
        headers = {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }
        found = verify_webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", headers, b'{"test": 2432232314}', now=1614265330)
        self.assertEqual(found, ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330))

    def test_what_is_signed_fresh_and_whole_passes_and_nothing_else_does(self):
        body = '{"seq":7,"name":"Büro €","n":1.50}'.encode()
        now = int(time.time())
        good = signed(body)
        v1 = good["webhook-signature"]
        for headers, secrets in [
            (good, SECRET),
            ({name.title(): value for name, value in good.items()}, SECRET),
            (list(good.items()), SECRET),
            # while a secret is rotated: either side may know both
            (signed(body, [OLD, SECRET]), SECRET),
            (signed(body, [OLD]), [SECRET, OLD]),
            (signed(body, at=now - 290), SECRET),
            ({**good, "webhook-signature": f"v1a,xx {v1}"}, SECRET),
        ]:
            self.assertEqual(verify_webhook(secrets, headers, body).id, "one", headers)
        for what, headers, text in [
            ("another body", good, body + b" "),
            ("another id", {**good, "webhook-id": "two"}, body),
            ("another time", {**good, "webhook-timestamp": str(now + 1)}, body),
            ("no time", {**good, "webhook-timestamp": "soon"}, body),
            ("another secret", signed(body, [OLD]), body),
            ("no signature", {**good, "webhook-signature": ""}, body),
            ("without its version", {**good, "webhook-signature": v1[3:]}, body),
            ("cut", {**good, "webhook-signature": v1[:20]}, body),
            ("no ASCII", {**good, "webhook-signature": "v1,é"}, body),
            ("too old", signed(body, at=now - 302), body),
            ("from the future", signed(body, at=now + 302), body),
            ("nothing", {}, body),
        ]:
            with self.assertRaises(SignatureError, msg=what):
                verify_webhook(SECRET, headers, text)
        for bad in ["", "whsec_", "whsec_no base64!", []]:
            with self.assertRaises(ValueError, msg=bad):
                verify_webhook(bad, good, body)

    def test_the_other_services_headers(self):
        body = b'{"id":"x"}'

        def by(secret):
            return "sha256=" + hmac.digest(secret.encode(), body, hashlib.sha256).hex()

        verify_sigmate(SECRET, {"X-Sigmate-Signature": by(SECRET)}, body)
        verify_sigmate([SECRET, OLD], {"x-sigmate-signature": by(OLD)}, body)
        verify_sigmate(OLD, {"x-sigmate-signature": by(SECRET), "x-sigmate-signature-previous": by(OLD)}, body)
        for headers in [{}, {"x-sigmate-signature": by(OLD)}, {"x-sigmate-signature": by(SECRET)[7:]}, {"x-sigmate-signature": "sha256="}]:
            with self.assertRaises(SignatureError):
                verify_sigmate(SECRET, headers, body)

    def test_a_receiver_answers_by_what_came_of_it_and_handles_each_signal_once(self):
        one, two = (text(each).encode() for each in [signal(1), signal(2, best_before={"rank": "B", "rank_score": 1})])
        test = b'{"type":"webhook.test","id":"t","webhook_id":"w","sent_at":"","message":""}'
        for is_async in [False, True]:
            handled, tests, errors, fails = [], [], [], [1]

            def handle(event):
                if event.signal["seq"] == 2 and fails:
                    raise RuntimeError(fails.pop())
                handled.append((event.signal["seq"], event.channel, event.place, event.event))

            async def handle_async(event):
                handle(event)

            receiver = WebhookReceiver(SECRET, handle_async if is_async else handle, on_test=tests.append, on_error=errors.append)

            def post(body, headers=None):
                headers = signed(body) if headers is None else headers
                reply = asyncio.run(receiver.receive_async(headers, body)) if is_async else receiver.receive(headers, body)
                return reply.status

            self.assertEqual([post(one), post(one), post(two), post(two), post(test)], [204, 204, 500, 204, 204])
            self.assertEqual(handled, [(1, "webhook", None, "signal"), (2, "webhook", None, "signal_update")])
            self.assertEqual([each["webhook_id"] for each in tests], ["w"])
            bad = [b"no JSON", b"[]", b"{}", b"\xff", b'{"id":5}', b'{"id":"x","best_before":{"rank":"A","others":7}}', b"[" * 100_000]
            self.assertEqual([post(one, {}), *map(post, bad)], [401] + [400] * len(bad))
            self.assertEqual([type(error).__name__ for error in errors][:2], ["RuntimeError", "SignatureError"])
            self.assertEqual(len(handled), 2)

    def test_a_failure_that_nobody_asked_for_is_a_warning(self):
        body = text(signal(1)).encode()
        receiver = WebhookReceiver(SECRET, lambda event: 1 / 0)
        with self.assertWarnsRegex(UserWarning, "ZeroDivisionError"):
            self.assertEqual(receiver.receive(signed(body), body).status, 500)
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            self.assertEqual(WebhookReceiver("whsec_", print).receive(signed(body), body).status, 500)

    def test_while_one_channel_handles_a_signal_the_other_waits_for_what_comes_of_it(self):
        once, handled = Once(), []
        receiver = WebhookReceiver(SECRET, lambda event: handled.append(event.signal["seq"]), once=once)
        body = text(signal(1)).encode()
        first = once.claim(signal(1)["id"])
        threading.Timer(0.1, first.release).start()
        self.assertEqual(asyncio.run(receiver.receive_async(signed(body), body)).status, 204)
        self.assertEqual(handled, [1])


if __name__ == "__main__":
    unittest.main()
