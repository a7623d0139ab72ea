# A webhook receiver that also reads the stream: two channels, each signal handled once, and what neither of them brought is fetched from
# the log. Python 3.9 or later, and no package.

import base64
import hashlib
import hmac
import json
import os
import random
import signal as signals
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 5 * 60
LARGEST_BODY = 1024 * 1024
REMEMBERED = 100_000
QUIET = 60.0


def note(text):
    print(text, file=sys.stderr, flush=True)


def need(name):
    return os.environ.get(name) or sys.exit(f"set {name}")


BASE_URL = os.environ.get("SIGCAST_URL", "http://127.0.0.1:8080")
KEY = need("SIGCAST_KEY")  # for the stream and the log
SECRET = need("SIGCAST_WEBHOOK_SECRET")
FILTER = os.environ.get("FILTER", "")  # the webhook's own filter, such as types=consensus_buy&min_rank=A
PORT = int(os.environ.get("PORT", "3000"))
CHECK = float(os.environ.get("CHECK_MS", "5000")) / 1000


# Yours. Webhooks are answered after it: what takes long belongs behind a queue that survives your process.
def handle(signal, channel):
    print(channel, signal["seq"], signal["id"], signal.get("signal_type"), flush=True)


class Desk:
    """What came, whichever way, and what is missing."""

    def __init__(self):
        self.lock = threading.Lock()
        self.handled = {}  # ids, the oldest first. Keep them where your orders are, if both must survive a crash.
        self.ahead = set()  # seqs that came before the one that they follow
        self.epoch = ""  # names the log that seqs count in
        self.complete = 0  # up to this seq, nothing is missing
        self.highest = 0  # the highest seq that came
        self.settled = 0  # the same, at the last check: what is older had its time on both channels
        self.last_came = time.monotonic()

    def take(self, signal, channel):
        with self.lock:
            self.last_came = time.monotonic()
            if signal["id"] in self.handled:
                return  # the other channel was quicker, or this one sent it again
            handle(signal, channel)
            self.handled[signal["id"]] = True  # last: what could not be handled is sent again
            if len(self.handled) > REMEMBERED:
                del self.handled[next(iter(self.handled))]
            self.highest = max(self.highest, signal["seq"])
            # a hole is a signal that is missing, or one that the filter hides: the log tells which
            if signal["seq"] > self.complete:
                self.ahead.add(signal["seq"])
                self.advance()

    def advance(self):
        self.ahead = {seq for seq in self.ahead if seq > self.complete}
        while self.complete + 1 in self.ahead:
            self.complete += 1
            self.ahead.remove(self.complete)

    def begin(self, cursor):
        now = read_log("limit=1")
        cursor = cursor or f"{now['epoch']}-{now['head']}"
        epoch, seq = cursor.split("-")
        with self.lock:
            self.epoch = now["epoch"]
            self.complete = int(seq) if epoch == self.epoch else now["head"]
            # what came while this was away is missing at first, whichever way it comes now
            self.highest = self.settled = now["head"]
            self.ahead.clear()
        return cursor

    def check(self):
        with self.lock:
            # nothing at all may be true silence, or two dead channels
            quiet = time.monotonic() - self.last_came > QUIET
            until = float("inf") if quiet else self.settled
            self.settled = self.highest
            if quiet:
                self.last_came = time.monotonic()
        while self.complete < until:
            page = read_log(f"{FILTER}&after={self.epoch}-{self.complete}&limit=200")
            items = page["items"]
            for signal in items:
                if signal["seq"] <= until and signal["id"] not in self.handled:
                    note(f"{signal['id']} came on neither channel")
                    self.take(signal, "log")
            # a short page is the last: up to there, what is not listed is hidden by the filter
            last = page["head"] if len(items) < 200 else items[-1]["seq"]
            with self.lock:
                self.complete = max(self.complete, min(until, last))
                self.advance()
            if len(items) < 200:
                return


desk = Desk()


# By hand, to show that it is little; `Webhook(SECRET).verify(body, headers)` of PyPI's `standardwebhooks` does the same.
def verify(headers, body):
    id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not id or not timestamp.isdecimal():
        return "no message"
    if abs(time.time() - int(timestamp)) > TOLERANCE:
        return "too old, or from the future"
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    mac = hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(mac)
    # while a secret is rotated there are two, with a space between them: one that fits is enough
    given = headers.get("webhook-signature", "").encode("latin-1", "replace").split(b" ")
    return None if any([hmac.compare_digest(one, expected) for one in given]) else "no signature fits"


class Webhooks(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept from one webhook to the next

    def do_POST(self):
        length = int(self.headers.get("content-length") or 0)
        if length > LARGEST_BODY:
            self.close_connection = True
            return self.answer(413)
        body = self.rfile.read(length)  # the very bytes: parsed and written again, they would be signed by nobody
        trouble = verify(self.headers, body)
        if trouble:
            return self.answer(401, trouble)
        try:
            desk.take(json.loads(body), "webhook")
            self.answer(204)
        except Exception as error:
            note(f"a webhook could not be handled: {error!r}")
            self.answer(500)  # it is sent again

    def answer(self, status, text=""):
        self.send_response(status)
        if status != 204:
            self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


def opened(path, headers={}):
    # pings come each 25 s: a minute without a byte is a dead connection
    request = urllib.request.Request(BASE_URL + path, headers={"Authorization": f"Bearer {KEY}", **headers})
    return urllib.request.urlopen(request, timeout=60)


def read_log(query):
    with opened(f"/api/signals?{query}") as response:
        return json.load(response)


def listen(cursor):
    failures = 0
    while True:
        before = cursor
        try:
            for cursor in one_connection(cursor):
                pass
            note("the stream ended")
        except urllib.error.HTTPError as error:
            note(f"no stream: {error.code} {error.read().decode()}")
            if error.code in (400, 401, 403, 404):
                return  # webhooks and the log go on alone
        except Exception as error:
            note(f"the stream broke: {error!r}")
        failures = min(failures + 1, 6) if cursor == before else 0
        time.sleep(0.5 * 2**failures * random.uniform(1.0, 1.25))


def one_connection(cursor):
    """Takes what comes, and tells where that leaves the stream."""
    headers = {"Last-Event-ID": cursor, "Accept": "text/event-stream", "Accept-Encoding": "identity"}
    with opened(f"/api/signals/stream?{FILTER}", headers) as response:
        frame = {}
        for line in response:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                frame[name] = value
                continue
            event = frame.get("event", "")
            if event.startswith("signal"):
                desk.take(json.loads(frame["data"]), "stream")
            elif event == "hello":
                note(f"the stream stands at {frame['id']}")
            elif event:
                note(f"{event}: {frame.get('data')}")
            if "id" in frame:
                yield frame["id"]
            frame = {}


def stop(*_):
    note(f"go on with SIGCAST_LAST_EVENT_ID={desk.epoch}-{desk.complete}")
    os._exit(0)


def main():
    for end in (signals.SIGINT, signals.SIGTERM):
        signals.signal(end, stop)
    cursor = os.environ.get("SIGCAST_LAST_EVENT_ID", "")
    while not desk.epoch:
        try:
            cursor = desk.begin(cursor)
        except Exception as error:
            note(f"no log yet: {error!r}")
            time.sleep(1)
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Webhooks)
    note(f"receives on http://127.0.0.1:{server.server_port}/hook")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=listen, args=(cursor,), daemon=True).start()
    while True:
        time.sleep(CHECK)
        try:
            desk.check() if desk.epoch else desk.begin("")
        except Exception as error:
            note(f"the log cannot be read: {error!r}")
            if isinstance(error, urllib.error.HTTPError) and error.code == 400:
                desk.epoch = ""  # it was put back, and counts anew


if __name__ == "__main__":
    main()
