"""Reads sigcast's API without a key, and works for it where that is asked. Python from 3.9 on, and nothing else.

    python3 solve.py 'declarations?direction=BUY'

The server is SIGCAST_URL, or http://127.0.0.1:8080.
"""

import hashlib
import itertools
import json
import os
import sys
import urllib.error
import urllib.request


def solve(challenge, bits):
    """The nonce with which sha256(challenge + ":" + nonce) begins with so many zero bits. 16 bits take some 65,000 digests."""
    begun = hashlib.sha256(f"{challenge}:".encode())
    for number in itertools.count():
        nonce = str(number)
        digest = begun.copy()
        digest.update(nonce.encode())
        if int.from_bytes(digest.digest(), "big") >> (256 - bits) == 0:
            return nonce


def ask(url, method="GET", headers=None):
    """The body of an answer, whatever it is."""
    request = urllib.request.Request(url, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return json.load(error)


def read(server, path):
    """Reads `path`, which is what stands behind /api/v1/ with a key. Raises what the server refuses."""
    url = f"{server}/api/v1/sandbox/{path}"
    body = ask(url)
    if body.get("error", {}).get("code") == "sandbox_challenge_required":
        made = ask(f"{server}/api/v1/sandbox/challenge", "POST")
        if "error" in made:
            raise RuntimeError(f"{made['error']['code']}: {made['error']['message']}")
        # within ten minutes, by the same client: network, user agent and language
        body = ask(url, headers={
            "X-Sandbox-POW-Challenge": made["challenge"],
            "X-Sandbox-POW-Solution": solve(made["challenge"], made["difficulty"]),
        })
    # 429 sandbox_quota: Retry-After says in how many seconds the next call may be made
    if "error" in body:
        raise RuntimeError(f"{body['error']['code']}: {body['error']['message']}")
    return body


if __name__ == "__main__":
    try:
        server = os.environ.get("SIGCAST_URL", "http://127.0.0.1:8080").rstrip("/")
        answer = read(server, sys.argv[1] if len(sys.argv) > 1 else "signals")
    except (RuntimeError, OSError) as refused:
        sys.exit(str(refused))
    print(json.dumps(answer, indent=2))
    told = answer["meta"]["sandbox"]
    print(f"{told['remaining']} calls left now; one more at {told['resetAt']}", file=sys.stderr)
