"""PyPI's `standardwebhooks`, used as its own documentation says. A case a line on stdin: {secret, headers, body (base64)}; a verdict a line on
stdout: `ok`, or why not."""

import base64
import json
import sys

from standardwebhooks import Webhook

for line in sys.stdin:
    case = json.loads(line)
    body = base64.b64decode(case["body"])
    try:
        verified = Webhook(case["secret"]).verify(body, case["headers"])
        print("ok" if verified == json.loads(body) else "another payload", flush=True)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", flush=True)
