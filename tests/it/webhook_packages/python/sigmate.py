"""The headers of the other service, verified with nothing but hmac. The same lines in and out as standard.py."""

import base64
import hashlib
import hmac
import json
import sys

for line in sys.stdin:
    case = json.loads(line)
    headers, body = case["headers"], base64.b64decode(case["body"])
    expected = "sha256=" + hmac.new(case["secret"].encode(), body, hashlib.sha256).hexdigest()
    given = [headers.get(name, "") for name in ("x-sigmate-signature", "x-sigmate-signature-previous")]
    if headers.get("x-sigmate-event") != "signal.fired":
        print("no event", flush=True)
    else:
        fits = any(hmac.compare_digest(one, expected) for one in given)
        print("ok" if fits else "no signature fits", flush=True)
