import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from siyu.kernel import clock, crypto
from siyu.kernel.crypto import KeyMissing, Vault
from siyu.kernel.errors import Unauthorized

ONE, TWO, LOOK, SIGN = (bytes([n]) * 32 for n in (1, 2, 3, 4))


def test_what_is_sealed_opens_and_never_looks_the_same_twice() -> None:
    vault = Vault({1: ONE}, LOOK, SIGN)
    first, second = vault.seal("王小明 🍵"), vault.seal("王小明 🍵")
    assert first != second
    assert vault.open(first) == vault.open(second) == "王小明 🍵"


def test_every_changed_byte_is_noticed() -> None:
    vault = Vault({1: ONE}, LOOK, SIGN)
    sealed = vault.seal("13812345678")
    for place in range(1, len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(ValueError, match="changed"):
            vault.open(changed)


def test_F093_old_text_opens_after_rotation_and_a_lost_key_is_named() -> None:
    before = Vault({1: ONE}, LOOK, SIGN)
    after = Vault({1: ONE, 2: TWO}, LOOK, SIGN)
    old = before.seal("a")
    assert after.open(old) == "a"
    assert after.is_old(old)
    assert not after.is_old(after.seal("a"))
    assert after.lookup("a") == before.lookup("a")
    with pytest.raises(KeyMissing) as lost:
        Vault({2: TWO}, LOOK, SIGN).open(old)
    assert lost.value.details == {"key_id": 1}


def test_F128_the_key_file_is_private_and_grows_by_rotation(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    first = crypto.load_vault(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sealed = first.seal("x")
    assert crypto.load_vault(path).open(sealed) == "x"
    assert crypto.add_key(path) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    rotated = crypto.load_vault(path)
    assert rotated.open(sealed) == "x"
    assert rotated.is_old(sealed)
    assert set(json.loads(path.read_text())["keys"]) == {"1", "2"}


def test_F007_an_empty_key_is_refused() -> None:
    with pytest.raises(AssertionError):
        Vault({1: b""}, LOOK, SIGN)
    with pytest.raises(AssertionError):
        Vault({1: ONE}, LOOK, b"")


def test_tokens_are_signed_and_end() -> None:
    vault = Vault({1: ONE}, LOOK, SIGN)
    token = vault.sign_token({"s": 7}, 60)
    assert vault.verify_token(token)["s"] == 7
    payload, _, mark = token.partition(".")
    for forged in (
        f"{payload[:-2]}AA.{mark}",
        f"{payload}.",
        f"{payload}.{mark[:-4]}AAA=",
        ".",
        "",
        "x.y.z",
        Vault({1: ONE}, LOOK, TWO).sign_token({"s": 7}, 60),
    ):
        with pytest.raises(Unauthorized):
            vault.verify_token(forged)
    with clock.turned(clock.now() + timedelta(seconds=61)), pytest.raises(Unauthorized):
        vault.verify_token(token)


def test_masks_never_show_more_than_they_hide() -> None:
    assert crypto.mask_phone("+8613812345678") == "138****5678"
    assert crypto.mask_phone("10086") == "1***6"
    assert crypto.mask_name("王小明") == "王**"
    assert crypto.mask_name("王") == "王*"
    assert crypto.mask_address("文三路 90 号 3 幢 501") == "文三路 90****"
    assert crypto.mask_address("1 号") == "1****"
