"""The sandbox's bank: whatever is asked of it in whatever order, no fen appears or vanishes."""

import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from siyu.kernel import clock
from siyu.sandbox import (
    bank,
    bills,
    faults,
    orders,
    people,
    refunds,
    sharing,
    split_returns,
    tasks,
    transfers,
)
from siyu.sandbox.wire import CHINA
from siyu.sandbox.world import (
    Merchant,
    SandboxSettings,
    World,
    add_merchant,
    get_merchant,
    get_person,
    identify,
    open_world,
)

from .conftest import pass_time

OURS, APPID = "1900006891", "wx7c1e5a90b2d4f683"


@pytest.fixture
def world(sandbox_home: Path) -> Iterator[World]:
    world = open_world(SandboxSettings(data_dir=sandbox_home))
    yield world
    world.store.close()


class Street:
    """People and a merchant who do what the dice say, at the functions behind the API."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.dice, self.count = world, random.Random(seed), 0
        merchant = get_merchant(world, OURS)
        assert merchant is not None
        self.merchant = merchant
        self.paid: list[str] = []
        self.splits: list[str] = []
        self.packages: list[tuple[str, str, str]] = []
        with world.store.writing():
            self.supplier = add_merchant(world, name="供货商")
            self.openid = {p: identify(world, APPID, p).openid for p in ("p1", "p2", "p3")}
        for openid in self.openid.values():
            self.receiver("PERSONAL_OPENID", openid)
        self.receiver("MERCHANT_ID", self.supplier.mchid, name="供货商")

    def number(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count:08d}"

    def ask(self, work: Callable[..., Any], *args: Any, **body: Any) -> Any:
        """A request: all or nothing, refusals are none of our business."""
        raw = json.dumps(body).encode()
        try:
            with self.world.store.writing():
                return work(self.world, self.merchant, *args, raw)[1]
        except orders.PayError:
            return None

    def receiver(self, kind: str, account: str, **more: str) -> None:
        def add(world: World, merchant: Merchant, raw: bytes) -> Any:
            return sharing.add_receiver(world, merchant, raw, lambda text: text)

        fields = {"appid": APPID, "type": kind, "account": account, "relation_type": "STAFF"}
        assert self.ask(add, **fields, **more)

    def buy(self) -> None:
        number, who = self.number("PAY"), self.dice.choice(["p1", "p2", "p3"])
        total = self.dice.choice([1, 83, 84, 999, 5_000, self.dice.randrange(1, 100_000)])
        made = self.ask(
            lambda world, merchant, raw: orders.create_order(world, merchant, "NATIVE", raw),
            appid=APPID,
            mchid=OURS,
            description="茶",
            out_trade_no=number,
            notify_url="http://shop.test/pay",
            amount={"total": total},
            settle_info={"profit_sharing": self.dice.random() < 0.6},
        )
        person, method = get_person(self.world, who), self.dice.choice(["card", "balance"])
        assert person is not None
        try:
            paid = people.pay(self.world, person, made["code_url"], "success", method)
        except people.PhoneError:
            return
        assert paid.transaction_id
        self.paid.append(paid.transaction_id)

    def refund(self) -> None:
        transaction = self.dice.choice(self.paid or ["none"])
        order = orders.find_paid(self.world, OURS, transaction)
        total = order.total_fen if order else 1
        self.ask(
            refunds.create_refund,
            transaction_id=transaction,
            out_refund_no=self.number("REF"),
            notify_url="http://shop.test/refund",
            amount={
                "total": total,
                "refund": self.dice.choice([total, self.dice.randint(1, total)]),
                "currency": "CNY",
            },
        )

    def split(self) -> None:
        number = self.number("SPL")
        kinds = [("PERSONAL_OPENID", one) for one in self.openid.values()]
        kinds.append(("MERCHANT_ID", self.supplier.mchid))
        chosen = self.dice.sample(kinds, self.dice.randint(1, 4))
        made = self.ask(
            lambda world, merchant, raw: sharing.split(world, merchant, raw, lambda text: text),
            appid=APPID,
            transaction_id=self.dice.choice(self.paid or ["none"]),
            out_order_no=number,
            unfreeze_unsplit=self.dice.random() < 0.3,
            receivers=[
                {
                    "type": kind,
                    "account": account,
                    "amount": self.dice.randint(1, 2_000),
                    "description": "佣金",
                }
                for kind, account in chosen
            ],
        )
        if made:
            self.splits.append(number)

    def give_back(self) -> None:
        self.ask(
            split_returns.return_split,
            out_order_no=self.dice.choice(self.splits or ["none"]),
            out_return_no=self.number("RET"),
            return_mchid=self.supplier.mchid,
            amount=self.dice.randint(1, 1_000),
            description="退货",
        )

    def unfreeze(self) -> None:
        self.ask(
            sharing.unfreeze,
            transaction_id=self.dice.choice(self.paid or ["none"]),
            out_order_no=self.number("UNF"),
            description="完结",
        )

    def transfer(self) -> None:
        who, number = self.dice.choice(list(self.openid)), self.number("TRA")
        made = self.ask(
            lambda world, merchant, raw: transfers.create_transfer(
                world, merchant, raw, lambda text: text
            ),
            appid=APPID,
            out_bill_no=number,
            transfer_scene_id="1006",
            openid=self.openid[who],
            transfer_amount=self.dice.randint(10, 3_000),
            transfer_remark="佣金",
            transfer_scene_report_infos=[{"info_type": "报销", "info_content": "车费"}],
            **({"user_name": "别人"} if self.dice.random() < 0.1 else {}),
        )
        if made and "package_info" in made:
            self.packages.append((who, made["package_info"], number))

    def answer(self) -> None:
        if not self.packages:
            return
        who, package, number = self.packages.pop(self.dice.randrange(len(self.packages)))
        person = get_person(self.world, who)
        assert person is not None
        if self.dice.random() < 0.3:
            self.ask(lambda world, m, _: transfers.cancel_transfer(world, m, number))
            return
        try:
            accepts = self.dice.random() < 0.7
            people.answer_transfer(self.world, person, package, accepts=accepts)
        except people.PhoneError:
            pass

    def go_wrong(self) -> None:
        kind = self.dice.choice(
            ["refund_abnormal", "refund_closed", "share_closed", "return_failed", "transfer_failed"]
        )
        faults.order(self.world, kind, "*", None, 1, faults.Options())

    def wait(self) -> None:
        pass_time(seconds=self.dice.choice([0, 4, 7, 70, 4_000, 100_000]))

    def act(self) -> None:
        tasks.run_due(self.world)
        work = self.dice.choices(
            [self.buy, self.refund, self.split, self.give_back, self.unfreeze, self.transfer,
             self.answer, self.go_wrong, self.wait],
            [5, 5, 5, 2, 1, 3, 3, 2, 6],
        )[0]  # fmt: skip
        work()


@pytest.mark.parametrize("seed", range(12))
def test_no_fen_appears_or_vanishes(world: World, seed: int) -> None:
    street, begun = Street(world, seed), clock.now().astimezone(CHINA).date()
    for _ in range(120):
        street.act()
        assert bank.find_problems(world.store) == []
        assert sum(bank.list_accounts(world.store).values()) == 0
    pass_time(days=40)
    tasks.run_due(world)
    assert bank.find_problems(world.store) == []
    view = bank.view(world.store, OURS, 0, 100_000)
    assert (view.frozen_fen, view.transfers_fen) == (0, 0), "every deadline is over"
    flow = sum(_flow(world, begun + timedelta(days=n)) for n in range(80))
    assert flow == view.basic_fen, "the bills explain the balance"


def _flow(world: World, day: Any) -> int:
    rows = bills.make_bill(world, OURS, "BASIC", day).rows
    signed = [(1 if row[5] == "收入" else -1) * round(float(row[6]) * 100) for row in rows]
    return sum(signed)


def test_the_proof_notices_what_is_wrong(world: World) -> None:
    street = Street(world, 1)
    for _ in range(40):
        street.buy()
    assert bank.find_problems(world.store) == []
    world.store.run("update accounts set fen = fen + 1 where account = ?", bank.basic(OURS))
    world.store.run("update sharings set frozen_fen = frozen_fen + 1")
    found = bank.find_problems(world.store)
    assert any("its movements say" in one for one in found)
    assert any("together hold 1 fen" in one for one in found)
    assert any("what is open says" in one for one in found)


@pytest.mark.parametrize(
    ("total", "fee"), [(1, 0), (83, 0), (84, 1), (250, 2), (1_280, 8), (10_000, 60)]
)
def test_the_fee_is_rounded_half_up_to_a_fen(total: int, fee: int) -> None:
    assert bank.fee_of(total, bank.FEE_BPS) == fee
    given = 0
    for refunded in range(1, total + 1, max(1, total // 40)):
        given += bank.fee_back(fee, total, refunded, given)
        assert 0 <= given <= fee
    assert given + bank.fee_back(fee, total, total, given) == fee


def test_nobody_can_spend_what_is_not_there(world: World) -> None:
    with pytest.raises(bank.ShortOfMoney):
        bank.move(world.store, "x", bank.basic(OURS), bank.OUTSIDE, 1, at=world.at())
    bank.move(world.store, "x", bank.basic(OURS), bank.OUTSIDE, 0, at=world.at())
    with pytest.raises(sqlite3.IntegrityError):
        world.store.run("update accounts set fen = -1 where account <> 'outside'")
        world.store.run("insert into accounts values ('a', -1)")


def test_a_file_of_an_earlier_version_gets_its_books(sandbox_home: Path, tmp_path: Path) -> None:
    """Paid orders and full purses were there before the bank, chats knew fewer kinds."""
    world = open_world(SandboxSettings(data_dir=sandbox_home))
    street = Street(world, 3)
    for _ in range(5):
        street.buy()
    held = bank.list_accounts(world.store)
    world.store.close()
    old = tmp_path / "old"
    old.mkdir()
    shutil.copy(sandbox_home / "sandbox.sqlite", old / "sandbox.sqlite")
    with sqlite3.connect(old / "sandbox.sqlite") as file:
        for table in ("movements", "accounts", "sharings", "tasks"):
            file.execute(f"drop table {table}")
        file.execute("update orders set body = '{}'")
        file.execute("update people set balance_fen = 500 where person_id = 'p1'")
        sql = file.execute("select sql from sqlite_master where name = 'messages'").fetchone()[0]
        file.execute("alter table messages rename to newer")
        file.execute(sql.replace(", 'refund', 'transfer', 'text', 'template'", ""))
        file.execute("insert into messages select * from newer")
        file.execute("drop table newer")
    for _ in range(2):
        world = open_world(SandboxSettings(data_dir=old))
        assert bank.find_problems(world.store) == []
        accounts = bank.list_accounts(world.store)
        assert accounts["person:p1"] == 500
        ours = (bank.basic(OURS), bank.frozen(OURS))
        assert accounts[ours[0]] == sum(held.get(one, 0) for one in ours)
        assert world.store.value("select count(*) from messages") > 0
        world.store.run("update messages set kind = 'transfer' where message_id = 1")
        world.store.close()
