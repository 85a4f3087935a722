"""A client in another language, by another author: wechatpay-axios-plugin buys in the sandbox."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import Server

NODE = Path(__file__).parent / "node"


def run(served_sandbox: Server, script: str) -> tuple[dict[str, Any], str]:
    """What a script saw as the person p3; and her openid."""
    node = shutil.which("node")
    assert node, "Node.js is needed for the independent client"
    if not (NODE / "node_modules").exists():
        pytest.fail("run `npm ci` in tests/wechat/node (make test does)")
    with httpx.Client(base_url=served_sandbox.url, trust_env=False) as http:
        http.delete("/_sandbox/faults")
        keys = http.get("/_sandbox/credentials").json() | {"pay_url": served_sandbox.url}
        code = http.post("/_sandbox/people/p3/login-code", json={"appid": keys["appid"]}).json()[
            "code"
        ]
        session = http.get(
            "/sns/jscode2session",
            params={
                "appid": keys["appid"],
                "secret": keys["secret"],
                "js_code": code,
                "grant_type": "authorization_code",
            },
        ).json()
    done = subprocess.run(
        [node, script],
        cwd=NODE,
        input=json.dumps({"keys": keys, "openid": session["openid"]}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), session["openid"]


def test_wechatpay_axios_plugin_buys_end_to_end(served_sandbox: Server) -> None:
    """It throws by itself when an answer's signature, serial or time does not hold."""
    saw, openid = run(served_sandbox, "buy.mjs")
    assert saw["asked"]["trade_state"] == "SUCCESS"
    assert saw["asked"] == saw["notice"]
    assert saw["notice"]["transaction_id"] == saw["transaction_id"]
    assert saw["notice"]["payer"] == {"openid": openid}
    assert saw["notice"]["amount"]["payer_total"] == 9900
    assert saw["refused"] == 1  # the probe
    assert saw["code_url"].startswith("weixin://")
    assert saw["closed"] == 204
    assert saw["wrong"] == {"status": 400, "code": "PARAM_ERROR"}
    assert saw["forged"] == "refused"


def test_wechatpay_axios_plugin_refunds_splits_transfers_and_reads_bills(
    served_sandbox: Server,
) -> None:
    saw, openid = run(served_sandbox, "money.mjs")
    [mine, rest] = saw["split"]["receivers"]
    assert (mine["account"], mine["result"], mine["amount"]) == (openid, "SUCCESS", 6_000)
    assert rest["amount"] == 20_000 - 120 - 6_000
    assert saw["refund"]["amount"]["payer_refund"] == 5_000
    assert saw["refund_notice"]["refund_id"] == saw["begun"]["refund_id"]
    assert saw["refund_notice"]["refund_status"] == "SUCCESS"
    assert saw["transfer"]["transfer_amount"] == 200_000
    assert saw["transfer_notice"]["state"] == "SUCCESS"
    assert saw["bill_is_right"] and saw["bill_has_it"]
