#!/usr/bin/env python3
"""serve.py VERSION PORT METRICS_PORT: a small model server that tells of itself.

It scores a transaction at POST /score and has a metrics page in the text format
of Prometheus at GET /metrics of another port, both on loopback. It needs nothing
but Python on Linux.

Several servers of one version share PORT, and the system gives each connection to
one of them; METRICS_PORT is each server's own. It answers one request on each
connection, so that all of them have work.

v1 and v2 do the same work. v2-leaks keeps a part of every request for ever, and
v2-burns works three times as much for each.
"""

import http.server
import json
import math
import os
import socket
import sys
import threading
import time

VERSIONS = {"v1": (1, 0), "v2": (1, 0), "v2-burns": (3, 0), "v2-leaks": (1, 24 << 10)}

PAGE = """\
# HELP process_resident_memory_bytes Resident memory.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes {memory}
# HELP process_cpu_seconds_total Processor time since the start.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total {cpu}
# HELP score_requests_total Requests since the start, by status.
# TYPE score_requests_total counter
score_requests_total{{code="200"}} {served}
# HELP score_in_flight Requests under way.
# TYPE score_in_flight gauge
score_in_flight {under_way}
"""


class Model:
    """The model and what is counted of it."""

    def __init__(self, version):
        self.version = version
        self.rounds, self.leak = VERSIONS[version]
        self.lock = threading.Lock()
        self.served = self.under_way = 0
        self.leaked = []

    def score(self, amount):
        """Works for a millisecond or so, and answers."""
        with self.lock:
            self.under_way += 1
        try:
            x = amount
            for i in range(6000 * self.rounds):
                x = math.sin(x + i)
            if self.leak:
                self.leaked.append(os.urandom(self.leak))
            return 1 / (1 + math.exp(-x))
        finally:
            with self.lock:
                self.under_way -= 1
                self.served += 1

    def page(self):
        """Is the metrics page."""
        with open("/proc/self/statm", encoding="ascii") as statm:
            memory = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        with self.lock:
            return PAGE.format(memory=memory, cpu=time.process_time(), served=self.served, under_way=self.under_way)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            amount = float(json.loads(body)["amount"])
        except (KeyError, TypeError, ValueError):
            self.answer(400, "application/json", '{"error": "write {\\"amount\\": NUMBER}"}')
            return
        score = self.server.model.score(amount)
        self.answer(200, "application/json", json.dumps({"version": self.server.model.version, "score": score}))

    def do_GET(self):
        if self.path == "/metrics":
            self.answer(200, "text/plain; version=0.0.4", self.server.model.page())
        else:
            self.answer(200, "text/plain", "ready\n")

    def answer(self, status, kind, text):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, model, port):
        self.model = model
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in VERSIONS or not all(port.isdigit() for port in sys.argv[2:]):
        sys.exit("usage: serve.py " + "|".join(VERSIONS) + " PORT METRICS_PORT")
    model = Model(sys.argv[1])
    metrics = Server(model, int(sys.argv[3]))
    threading.Thread(target=metrics.serve_forever, daemon=True).start()
    try:
        Server(model, int(sys.argv[2])).serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
