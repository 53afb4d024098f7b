import json
import signal
import socket
import sys
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prices import cheapest

started = datetime.now(timezone.utc).isoformat(timespec="milliseconds")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        answer = {"text": cheapest(), "started": started, "pod": socket.gethostname()}
        body = (json.dumps(answer) + "\n").encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("access-control-allow-origin", "*")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing of each request: the page asks twice a second."""


# The first process of a container gets no signal that it does not ask for.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = ThreadingHTTPServer(("", 8080), Handler)
print("prices listens on port 8080")
server.serve_forever()
