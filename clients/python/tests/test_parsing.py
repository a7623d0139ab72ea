"""The readers of bytes: events, answers, items of lists, digests; whole, and cut anywhere."""

import hashlib
import random
import unittest

from sigcast import DigestState, ProtocolError, RollingDigest, SseParser, parse_place
from sigcast.errors import ConnectionLost
from sigcast.http1 import Decoder
from sigcast.log import raw_items


def pieces(data, cuts):
    ends = [0, *sorted(cuts), len(data)]
    return [data[begin:end] for begin, end in zip(ends, ends[1:])]


def parse(data, cuts=()):
    parser = SseParser()
    frames = [tuple(frame) for piece in pieces(data, cuts) for frame in parser.feed(piece)]
    return frames, parser.retry_ms


def one(data, event="message", id=""):
    return event, data, id


CASES = [
    ("an event", "data: a\n\n", [one("a")]),
    ("one without its end", "data: a\n\ndata: b\n", [one("a")]),
    ("CR", "data: a\r\rdata: b\r\r", [one("a"), one("b")]),
    ("CRLF", "event: e\r\ndata: a\r\n\r\ndata: b\r\n\r\n", [one("a", "e"), one("b")]),
    ("mixed ends", "data: a\r\ndata: b\rdata: c\n\r\n", [one("a\nb\nc")]),
    ("several lines", "data: a\ndata\ndata:\ndata:  b\n\n", [one("a\n\n\n b")]),
    ("a BOM", "\ufeffdata: a\n\n", [one("a")]),
    ("a second BOM is a letter", "\ufeff\ufeffdata: a\n\ndata: b\n\n", [one("b")]),
    ("comments", ": ping\n:\ndata: a\n: probe\n\n", [one("a")]),
    ("no data, no event", "event: e\nid: 7\n\ndata: a\n\n", [one("a", id="7")]),
    ("ids last", "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", [one("a", id="1"), one("b", id="1"), one("c")]),
    ("an id with NUL", "id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n", [one("a", id="1"), one("b", id="1")]),
    ("fields of others", "data: a\nfoo: b\nDATA: c\n data: d\n\n", [one("a")]),
    ("separators of other trades", "data: a\x0b\x0c\x1c\x85\u2028b\n\n", [one("a\x0b\x0c\x1c\x85\u2028b")]),
    ("letters of many bytes", "data: Büro € 😀\n\n", [one("Büro € 😀")]),
]


class Events(unittest.TestCase):
    def test_events_whole_and_in_pieces_of_a_byte(self):
        for what, text, expected in CASES:
            data = text.encode()
            self.assertEqual(parse(data)[0], expected, what)
            self.assertEqual(parse(data, range(len(data)))[0], expected, f"{what}, byte by byte")

    def test_retry_takes_digits_only(self):
        for text, expected in [("7", 7), ("2317", 2317), ("-1", None), ("1.5", None), ("1e3", None), ("", None), (" 5", None), ("٣", None), ("9" * 11, None)]:
            self.assertEqual(parse(f"retry: {text}\n".encode())[1], expected, text)
        self.assertEqual(parse(b"retry: 5\nretry: x\n")[1], 5)

    def test_what_does_not_end_is_refused(self):
        parser = SseParser()
        with self.assertRaises(ProtocolError):
            for _ in range(10):
                parser.feed(b"x" * (1 << 20))

    def test_the_same_events_wherever_the_bytes_are_cut(self):
        dice = random.Random(7)
        parts = ["data: x", "data", "data:€", "event: e", "id: e-1", "id:\0", "retry: 12", ": c", "", "", "\ufeff", "𝄞: 1"]
        for _ in range(300):
            text = dice.choice(["", "\ufeff"])
            for _ in range(dice.randrange(30)):
                text += dice.choice(parts) + dice.choice(["\n", "\r", "\r\n"])
            data = text.encode()
            cuts = [dice.randrange(len(data) + 1) for _ in range(dice.randrange(8))]
            self.assertEqual(parse(data, cuts), parse(data), (text, cuts))


def decode(data, cuts=()):
    decoder = Decoder()
    body = b"".join(decoder.feed(piece) for piece in pieces(data, cuts))
    return decoder, body


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: 1\r\nx: 2\r\n\r\n"


class Answers(unittest.TestCase):
    def test_bodies_of_each_kind_wherever_they_are_cut(self):
        dice = random.Random(3)
        plain = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        for data in [
            plain,
            plain + b"beyond",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + plain,
            CHUNKED + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
            CHUNKED + b"00005\r\nhello\r\n000\r\nTrailer: x\r\n\r\n",
            CHUNKED + b"5 \r\nhello\r\n0\r\n\r\nbeyond",
        ]:
            for _ in range(60):
                cuts = [dice.randrange(len(data) + 1) for _ in range(dice.randrange(9))]
                decoder, body = decode(data, cuts)
                self.assertEqual((body, decoder.complete, decoder.head.status), (b"hello", True, 200), (data, cuts))
                decoder.end()
        decoder, _ = decode(CHUNKED, range(len(CHUNKED)))
        self.assertEqual(decoder.head.headers, {"transfer-encoding": "chunked", "x": "1, 2"})

    def test_the_end_counts_only_where_nothing_else_tells_it(self):
        decoder, body = decode(b"HTTP/1.0 200\r\n\r\nhello")
        self.assertEqual((body, decoder.complete), (b"hello", False))
        decoder.end()
        self.assertTrue(decoder.complete)
        for cut_off in [b"", b"HTTP/1.1 200 OK\r\n", CHUNKED, CHUNKED + b"5\r\nhel", CHUNKED + b"5\r\nhello\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"]:
            decoder, _ = decode(cut_off)
            with self.assertRaises(ConnectionLost, msg=cut_off):
                decoder.end()
        for bare in [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]:
            self.assertTrue(decode(bare)[0].complete)

    def test_what_is_no_answer_is_refused(self):
        for bad in [
            b"SSH-2.0-x\r\n\r\n",
            b"HTTP/2 200\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nname : x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            CHUNKED + b"x\r\n",
            CHUNKED + b"2\r\nhello\r\n",
            CHUNKED + b"1" * 2000,
            b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000,
        ]:
            with self.assertRaises(ProtocolError, msg=bad[:60]):
                decode(bad)


class Log(unittest.TestCase):
    def test_items_keep_their_bytes(self):
        items = ['{"a":1.50,"b":"]},{\\"","c":[{}]}', '{"seq":2,"n":1e-7,"t":"\\\\"}']
        whole = '{"items":[%s],"next":"e-2","epoch":"e","head":9}'
        self.assertEqual(raw_items(whole % ",".join(items)), items)
        self.assertEqual(raw_items(whole % " , ".join(items)), items)
        self.assertEqual(raw_items(whole % ""), [])
        for bad in ["", "[]", '{"next":1}', '{"items":[{"a":"x', '{"items":[{}', '{"items":[{}}']:
            with self.assertRaises(ProtocolError, msg=bad):
                raw_items(bad)

    def test_places(self):
        self.assertEqual(parse_place("1f3c9a2e-183"), ("1f3c9a2e", 183))
        for bad in ["", "5", "e-", "-5", "e-x", "e-99999999999999999", "e--5", "e-5 ", "e-5\n"]:
            self.assertIsNone(parse_place(bad), bad)

    def test_a_digest_is_the_chain_that_the_server_computes(self):
        first, second = '{"seq":5,"t":"€"}', '{"seq":6}'
        d1 = hashlib.sha256(bytes(32) + first.encode())
        digest = RollingDigest()
        self.assertIsNone(digest.state)
        digest.push("e-5", first)
        self.assertEqual(digest.state, DigestState("e-5", "e-5", 1, d1.hexdigest()))
        # over a restart of its own
        again = RollingDigest(digest.state)
        again.push("e-6", second)
        d2 = hashlib.sha256(d1.digest() + second.encode())
        self.assertEqual(again.state, DigestState("e-5", "e-6", 2, d2.hexdigest()))


if __name__ == "__main__":
    unittest.main()
