"""The buyers of `siyu bench purchase`: threads with a connection each, the standard library only.

Each is a new customer again and again: log in, five products into the cart one by one, an address,
the quote, the order, and at the counter staff write down the cash. Run as a file, so that it starts
in milliseconds and costs little beside what it measures.
"""

import json
import secrets
import socket
import sys
import threading
import time
from typing import Any


class Buyer(threading.Thread):
    """One connection, and the purchases made over it until the time is up."""

    def __init__(self, task: dict[str, Any], until: float) -> None:
        super().__init__()
        self.task = task
        self.until = until
        self.connection = socket.create_connection(("127.0.0.1", task["port"]))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.latencies: list[float] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Buy until the time is up; a purchase that was begun is finished and not counted."""
        try:
            while True:
                began = time.perf_counter()
                self.buy()
                ended = time.perf_counter()
                if ended > self.until:
                    return
                self.latencies.append((ended - began) * 1000)
        except BaseException as failure:
            self.failure = failure

    def buy(self) -> None:
        """A new customer's order, paid at the counter."""
        shop = f"X-Siyu-Shop: {self.task['shop']}\r\n"
        login = {"code": secrets.token_hex(16), "platform": "h5"}
        me = f"Authorization: Bearer {self.ask('/shop/v1/login', login, shop)['token']}\r\n"
        chosen = secrets.SystemRandom().sample(self.task["sku_ids"], self.task["products"])
        for sku_id in chosen:
            self.ask("/shop/v1/cart/lines", {"sku_id": sku_id, "quantity": 1}, me)
        address = self.ask("/shop/v1/addresses", self.task["address"], me)["address_id"]
        asked = {"source": "cart", "lines": [], "address_id": address}
        quote = self.ask("/shop/v1/checkout/quote", asked, me)
        lines = [{"sku_id": line["sku_id"], "quantity": 1} for line in quote["lines"]]
        assert len(lines) == self.task["products"], quote
        wanted = {
            "source": "cart",
            "lines": lines,
            "address_id": address,
            "remark": "",
            "expected_total_fen": quote["total_fen"],
            "platform": "h5",
            "coupon_ids": list(quote["coupons"]["chosen"]),
        }
        order = self.ask("/shop/v1/orders", wanted, me)
        taken = {"method": "cash", "amount_fen": order["total_fen"]}
        path = f"/admin/v1/orders/{order['order_id']}/pay-offline"
        paid = self.ask(path, taken, shop + f"Cookie: {self.task['cookie']}\r\n")
        assert paid["status"] == "paid", paid

    def ask(self, path: str, body: Any, headers: str) -> Any:
        """One request and its whole answer."""
        sent = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.task['port']}\r\n{headers}"
            f"Idempotency-Key: {secrets.token_hex(16)}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
        )
        self.connection.sendall(head.encode() + sent)
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0 or len(data) < end + 4 + _length(data[:end]):
            part = self.connection.recv(65536)
            assert part, "the server hung up"
            data += part
        assert data[9:10] == b"2", (path, data[:400])
        return json.loads(data[end + 4 :])


def _length(head: bytes) -> int:
    lowered = head.lower() + b"\r\n"
    at = lowered.find(b"content-length: ")
    return int(lowered[at + 16 : lowered.index(b"\r\n", at)]) if at >= 0 else 0


def main() -> None:
    """Read the task, let the buyers buy, tell the latencies in ms and the seconds."""
    task = json.load(sys.stdin)
    began = time.perf_counter()
    buyers = [Buyer(task, began + task["seconds"]) for _ in range(task["buyers"])]
    for buyer in buyers:
        buyer.start()
    for buyer in buyers:
        buyer.join()
    for buyer in buyers:
        if buyer.failure is not None:
            raise buyer.failure
    latencies = [latency for buyer in buyers for latency in buyer.latencies]
    print(json.dumps({"latencies": latencies, "seconds": task["seconds"]}))


if __name__ == "__main__":
    main()
