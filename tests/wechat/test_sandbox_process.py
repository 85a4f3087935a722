"""The sandbox as its own process: killed and started again, and silent towards a real client."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from siyu.kernel import clock
from siyu.wechat.transport import service as transport

from .conftest import Server, encode

SERVE = """
import sys
from pathlib import Path
from siyu.sandbox.app import SandboxSettings, serve
serve(SandboxSettings(data_dir=Path(sys.argv[1])), "127.0.0.1", int(sys.argv[2]))
"""


@contextmanager
def process(home: Path) -> Iterator[httpx.Client]:
    """A running sandbox, killed without warning at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = subprocess.Popen([sys.executable, "-c", SERVE, str(home), str(port)])
    http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)
    try:
        for _ in range(600):
            try:
                http.get("/_sandbox/health")
                break
            except httpx.ConnectError:
                time.sleep(0.05)
        yield http
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        http.close()


def signed(http: httpx.Client, keys: dict[str, Any], method: str, target: str, body: bytes) -> Any:
    header = transport.authorization(
        method,
        target,
        body,
        mchid=keys["mchid"],
        serial_no=keys["serial_no"],
        private_key_pem=keys["private_key_pem"],
        timestamp=int(clock.now().timestamp()),
        nonce=secrets.token_hex(8),
    )
    return http.request(method, target, content=body, headers={"Authorization": header})


def native(keys: dict[str, Any], number: str) -> bytes:
    return encode(
        {
            "appid": keys["appid"],
            "mchid": keys["mchid"],
            "description": "茶",
            "out_trade_no": number,
            "notify_url": "http://127.0.0.1:1/nobody",
            "amount": {"total": 100},
        }
    )


def test_a_killed_sandbox_goes_on_where_it_was(sandbox_template: Path, tmp_path: Path) -> None:
    shutil.copy(sandbox_template, tmp_path / "sandbox.sqlite")
    query = "/v3/pay/transactions/out-trade-no/KILLED1?mchid={mchid}"
    with process(tmp_path) as http:
        keys = http.get("/_sandbox/credentials").json()
        made = signed(http, keys, "POST", "/v3/pay/transactions/native", native(keys, "KILLED1"))
        paid = http.post("/_sandbox/people/p2/pay", json={"prepay_id": made.json()["code_url"]})
        before = signed(http, keys, "GET", query.format(**keys), b"").json()
    assert before["transaction_id"] == paid.json()["transaction_id"]
    with process(tmp_path) as http:
        assert http.get("/_sandbox/credentials").json() == keys
        assert signed(http, keys, "GET", query.format(**keys), b"").json() == before
        [notice] = http.get("/_sandbox/notifications").json()
        assert (notice["out_trade_no"], notice["state"]) == ("KILLED1", "waiting")


def test_a_client_gives_up_but_the_work_is_done(served_sandbox: Server) -> None:
    with httpx.Client(base_url=served_sandbox.url, trust_env=False, timeout=0.5) as http:
        keys = http.get("/_sandbox/credentials").json()
        fault = {"kind": "timeout_after_work", "operation": "pay.create", "options": {"seconds": 3}}
        http.post("/_sandbox/faults", json=fault)
        body = native(keys, "SILENT1")
        with pytest.raises(httpx.ReadTimeout):
            signed(http, keys, "POST", "/v3/pay/transactions/native", body)
        again = signed(http, keys, "POST", "/v3/pay/transactions/native", body)
        assert again.status_code == 200 and "code_url" in again.json()


def test_first_start_makes_everything_and_keeps_it_private(tmp_path: Path) -> None:
    with process(tmp_path / "new" / "home") as http:
        keys = http.get("/_sandbox/credentials").json()
        assert len(http.get("/_sandbox/people").json()) == 6
        assert http.get("/phone/").status_code == 200
        head = http.head("/")
        assert "server" not in head.headers and len(head.headers.get_list("date")) == 1
    assert len(keys["api_v3_key"]) == 32
    assert keys["public_key_id"].startswith("PUB_KEY_ID_")
    assert (tmp_path / "new/home/sandbox.sqlite").stat().st_mode & 0o077 == 0
