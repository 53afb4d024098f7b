"""Takes orders from the queue, prices them, and puts them into the store."""

import json
import os
import pathlib
import signal
import socket
import sys
import urllib.request

from queue_client import Queue

ALIVE = pathlib.Path("/tmp/alive")
PASSWORD = pathlib.Path("/run/secrets/store").read_text().strip()
STORE = os.environ["STORE_URL"]
PRICE = float(os.environ["PRICE_PER_PAGE"])
DEBUG = os.environ.get("LOG_LEVEL") == "debug"


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    queue = Queue(os.environ["REDIS_HOST"])
    print("worker waits for orders")
    while True:
        ALIVE.touch()
        order = queue.take("orders", seconds=2)
        if order is None:
            continue
        save(priced(json.loads(order)))


def priced(order: dict) -> dict:
    price = round(order["pages"] * PRICE, 2)
    return {**order, "price": price, "currency": os.environ["CURRENCY"], "by": socket.gethostname()}


def save(order: dict) -> None:
    request = urllib.request.Request(
        f"{STORE}/orders",
        data=json.dumps(order).encode(),
        headers={"authorization": f"Bearer {PASSWORD}"},
    )
    with urllib.request.urlopen(request, timeout=5):
        pass
    if DEBUG:
        print(f"stored {order}")


main()
