"""Says on its output whatever the clients of `clients/python` see and do, a line each."""

import asyncio
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import sigcast

options = json.loads(os.environ["OPTIONS"])
writing = threading.Lock()


def say(*words):
    with writing:
        print(*words, flush=True)


def noticed(notice):
    if isinstance(notice, sigcast.Connected):
        say("connected at", notice.place)
    elif isinstance(notice, sigcast.Lost):
        say("lost", type(notice.error).__name__)
    elif isinstance(notice, sigcast.Refused):
        say("refused", notice.error.code)
    elif isinstance(notice, sigcast.Ended):
        say("ended", notice.reason)
    elif isinstance(notice, sigcast.Hole):
        say("hole", notice.first, notice.last, notice.recovered)
    elif isinstance(notice, sigcast.Duplicate):
        say("duplicate", notice.id)


def handle(event):
    say("signal", event.channel, event.signal["seq"], event.signal["id"], event.event)


def make(kind):
    return kind(
        os.environ["SIGCAST_URL"],
        os.environ["SIGCAST_KEY"],
        state=sigcast.FileState(os.environ["STATE"]),
        first_delay=0.1,
        longest_delay=options.get("longestMs", 300) / 1000,
        start=options.get("from", ""),
        filter=sigcast.Filter(min_rank=options.get("minRank")),
        ca=options.get("ca"),
        takeover=options.get("takeover", False),
        on_gap=lambda gap: say("gap", gap["from"], gap["to"], gap["reason"]),
        on_notice=noticed,
    )


def receiver(client):
    return sigcast.WebhookReceiver(
        options["secret"],
        handle,
        once=client.once,
        form=options.get("form", "standard"),
        on_test=lambda _: say("tested"),
        on_error=lambda error: say("refused a webhook:", error),
    )


def serve(receive):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            reply = receive(self.headers, self.rfile.read(int(self.headers["content-length"])))
            self.send_response(reply.status)
            if reply.status != 204:
                self.send_header("content-length", str(len(reply.text)))
            self.end_headers()
            self.wfile.write(reply.text.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say("receives at", f"127.0.0.1:{server.server_port}")


def obey(client, verify, close):
    """Does what it is told, on a thread of its own: nobody waits for the end of orders."""

    def orders():
        for line in sys.stdin:
            try:
                if line == "close\n":
                    close()
                elif line == "position\n":
                    say("position", client.position)
                elif line == "verify\n":
                    checked = verify()
                    say("verified", str(checked.matches).lower(), checked.ours.count)
            except Exception as error:
                say("verified", type(error).__name__, error)

    threading.Thread(target=orders, daemon=True).start()


def run():
    client = make(sigcast.Client)
    if "secret" in options:
        serve(receiver(client).receive)
    obey(client, client.verify, client.close)
    client.run(handle)
    return client


async def run_async():
    client = make(sigcast.AsyncClient)
    loop = asyncio.get_running_loop()

    def there(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    if "secret" in options:
        receive = receiver(client).receive_async
        serve(lambda headers, body: there(receive(headers, body)))
    obey(client, lambda: there(client.verify()), lambda: loop.call_soon_threadsafe(client.close))
    await client.run(handle)
    return client


try:
    client = asyncio.run(run_async()) if "--async" in sys.argv else run()
    say("end closed", client.position)
except sigcast.SigcastError as error:
    say("end", type(error).__name__, getattr(error, "code", error))
# a thread may wait for orders still
os._exit(0)
