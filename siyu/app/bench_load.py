"""The load of the benchmarks: one epoll loop, the standard library only, run as a file.

Closed: a connection asks again when it was answered. Paced (`rate` per second): requests are due
at fixed moments and a latency counts from there, so that a slow answer hides nothing.

It must be so light that it does not measure itself: it starts in milliseconds, and costs about a
twentieth of the order it asks for.
"""

import json
import secrets
import select
import socket
import sys
import time
from typing import Any


class Load:
    """Keep-alive connections, each with at most one request under way."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.requests = [
            (bytes.fromhex(head), bytes.fromhex(tail)) for head, tail in task["requests"]
        ]
        self.poll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self.own: dict[int, int] = {}
        self.parts: dict[int, bytes] = {}
        self.began_at: dict[int, float] = {}
        self.statuses: dict[str, int] = {}
        self.latencies: list[float] = []
        self.sent = 0
        for number in range(task["at_once"]):
            connection = socket.create_connection(("127.0.0.1", task["port"]))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            handle = connection.fileno()
            self.sockets[handle], self.own[handle] = connection, number % len(self.requests)
            self.poll.register(handle, select.EPOLLIN)
        self.start = time.perf_counter()

    def is_over(self) -> bool:
        """Whether nothing more is to be sent: each request once, or the time is up."""
        seconds = self.task["seconds"]
        if seconds is None:
            return self.sent >= len(self.requests)
        return bool(time.perf_counter() > self.start + seconds)

    def send(self, handle: int) -> None:
        """Send the next request, or for a measured time the connection's own one again."""
        number = self.sent if self.task["seconds"] is None else self.own[handle]
        head, tail = self.requests[number]
        rate = self.task["rate"]
        self.began_at[handle] = self.start + self.sent / rate if rate else time.perf_counter()
        self.parts[handle] = b""
        self.sent += 1
        self.sockets[handle].sendall(head + secrets.token_hex(16).encode() + tail)

    def receive(self, handle: int) -> bool:
        """Take what came; True when the answer is whole."""
        data = self.sockets[handle].recv(65536)
        assert data, "the server hung up"
        data = self.parts[handle] = self.parts[handle] + data
        head_end = data.find(b"\r\n\r\n")
        if head_end < 0 or len(data) < head_end + 4 + _content_length(data[:head_end]):
            return False
        status = data[9:12].decode()
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.latencies.append((time.perf_counter() - self.began_at[handle]) * 1000)
        return True

    def run(self) -> dict[str, Any]:
        """Statuses, latencies in ms, seconds taken."""
        rate = self.task["rate"]
        idle = list(self.sockets)
        busy = 0
        while busy or not self.is_over():
            while idle and not self.is_over():
                if rate and time.perf_counter() < self.start + self.sent / rate:
                    break
                self.send(idle.pop())
                busy += 1
            for handle, _ in self.poll.poll(0.001 if rate else 5):
                if self.receive(handle):
                    idle.append(handle)
                    busy -= 1
        return {
            "statuses": self.statuses,
            "latencies": self.latencies,
            "seconds": time.perf_counter() - self.start,
        }


def _content_length(head: bytes) -> int:
    lowered = head.lower() + b"\r\n"
    at = lowered.find(b"content-length: ")
    return int(lowered[at + 16 : lowered.index(b"\r\n", at)]) if at >= 0 else 0


if __name__ == "__main__":
    print(json.dumps(Load(json.load(sys.stdin)).run()))
