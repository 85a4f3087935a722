"""A client in another language, by another author: wechatpay-axios-plugin buys in the sandbox."""

import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from .conftest import Server

NODE = Path(__file__).parent / "node"


def test_wechatpay_axios_plugin_buys_end_to_end(served_sandbox: Server) -> None:
    """It throws by itself when an answer's signature, serial or time does not hold."""
    node = shutil.which("node")
    assert node, "Node.js is needed for the independent client"
    if not (NODE / "node_modules").exists():
        pytest.fail("run `npm ci` in tests/wechat/node (make test does)")
    with httpx.Client(base_url=served_sandbox.url, trust_env=False) as http:
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
        [node, "buy.mjs"],
        cwd=NODE,
        input=json.dumps({"keys": keys, "openid": session["openid"]}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    saw = json.loads(done.stdout)
    assert saw["asked"]["trade_state"] == "SUCCESS"
    assert saw["asked"] == saw["notice"]
    assert saw["notice"]["transaction_id"] == saw["transaction_id"]
    assert saw["notice"]["payer"] == {"openid": session["openid"]}
    assert saw["notice"]["amount"]["payer_total"] == 9900
    assert saw["refused"] == 1  # the probe
    assert saw["code_url"].startswith("weixin://")
    assert saw["closed"] == 204
    assert saw["wrong"] == {"status": 400, "code": "PARAM_ERROR"}
    assert saw["forged"] == "refused"
