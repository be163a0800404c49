#!/usr/bin/env python3
"""traffic.py [URL] [RATE]: sends so many transactions a second to Belay."""

import http.client
import json
import random
import sys
import time
import urllib.parse

url = urllib.parse.urlsplit(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080")
rate = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
connection, sent, failed, versions = http.client.HTTPConnection(url.netloc, timeout=10), 0, 0, {}
began = told = time.monotonic()
try:
    while True:
        time.sleep(max(0.0, began + sent / rate - time.monotonic()))
        sent += 1
        try:
            connection.request("POST", "/score", json.dumps({"amount": random.lognormvariate(3, 1)}))
            answer = connection.getresponse()
            version = json.loads(answer.read())["version"]
            versions[version] = versions.get(version, 0) + 1
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            failed += 1
            connection.close()
        if time.monotonic() - told >= 5:
            told = time.monotonic()
            print(f"{sent} sent, {failed} failed, answered by {versions}", flush=True)
except KeyboardInterrupt:
    pass
