"""The load of the benchmarks: one epoll loop, the standard library only, run as a file.

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


def generate(task: dict[str, Any]) -> dict[str, Any]:
    """One epoll loop over keep-alive connections: statuses, latencies in ms, seconds taken."""
    requests = [(bytes.fromhex(head), bytes.fromhex(tail)) for head, tail in task["requests"]]
    poll = select.epoll()
    began_at: dict[int, float] = {}
    sockets: dict[int, socket.socket] = {}
    parts: dict[int, bytes] = {}
    statuses: dict[str, int] = {}
    latencies: list[float] = []
    waiting = list(range(len(requests) - 1, -1, -1))
    own: dict[int, int] = {}
    start = time.perf_counter()
    until = start + (task["seconds"] or 3600)

    def send(handle: int) -> bool:
        if task["seconds"] is None:
            if not waiting:
                return False
            own[handle] = waiting.pop()
        elif time.perf_counter() > until:
            return False
        head, tail = requests[own[handle]]
        parts[handle] = b""
        began_at[handle] = time.perf_counter()
        sockets[handle].sendall(head + secrets.token_hex(16).encode() + tail)
        return True

    open_count = 0
    for number in range(task["at_once"]):
        connection = socket.create_connection(("127.0.0.1", task["port"]))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handle = connection.fileno()
        sockets[handle], own[handle] = connection, number % len(requests)
        poll.register(handle, select.EPOLLIN)
        open_count += send(handle)
    while open_count:
        for handle, _ in poll.poll(5):
            data = parts[handle] = parts[handle] + sockets[handle].recv(65536)
            head_end = data.find(b"\r\n\r\n")
            if head_end < 0 or len(data) < head_end + 4 + _content_length(data[:head_end]):
                assert data, "the server hung up"
                continue
            status = data[9:12].decode()
            statuses[status] = statuses.get(status, 0) + 1
            latencies.append((time.perf_counter() - began_at[handle]) * 1000)
            if not send(handle):
                open_count -= 1
    return {
        "statuses": statuses,
        "latencies": latencies,
        "seconds": time.perf_counter() - start,
    }


def _content_length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.index(b"content-length: ") + 16
    return int(lowered[at : (lowered + b"\r\n").index(b"\r\n", at)])


if __name__ == "__main__":
    print(json.dumps(generate(json.load(sys.stdin))))
