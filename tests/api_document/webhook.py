"""Receives what a running server delivers, and verifies it with the published package of Standard Webhooks."""

import http.server
import json
import os
import sys
import threading
import urllib.request

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

PATIENCE = 60
arrived = []
has_arrived = threading.Event()


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        arrived.append((dict(self.headers.items()), self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()
        has_arrived.set()

    def log_message(self, *words):
        pass


def call(path, body):
    request = urllib.request.Request(os.environ["API_URL"] + path, json.dumps(body).encode())
    request.add_header("X-API-Key", os.environ["API_KEY"])
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


def receive(slug):
    """Lets something happen, and answers what arrives."""
    has_arrived.clear()
    call("/api/teams", {"name": slug, "slug": slug})
    assert has_arrived.wait(PATIENCE), "nothing arrived"
    return arrived[-1]


def main():
    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    made = call("/api/webhooks", {"name": "verified", "url": url, "events": ["teams.created"]})
    headers, body = receive("first")
    event = Webhook(made["secret"]).verify(body, headers)
    assert event["type"] == "teams.created", event
    rotated = call(f"/api/webhooks/{made['id']}/rotate-secret", {})
    headers, body = receive("second")
    for secret in (made["secret"], rotated["secret"]):
        Webhook(secret).verify(body, headers)
    for wrong_body, secret in ((body + b" ", rotated["secret"]), (body, "whsec_" + "A" * 32)):
        try:
            Webhook(secret).verify(wrong_body, headers)
        except WebhookVerificationError:
            continue
        sys.exit("a wrong signature was taken for a right one")
    print("webhooks: verified by the package standardwebhooks, with the secret and the one before it")


main()
