"""What the doctor says of bills and licences."""

from datetime import timedelta

from siyu.app import doctor_money
from siyu.app.doctor_checks import Finding, Patient
from siyu.kernel import clock, config
from siyu.kernel.auth import ShopIdentity
from siyu.kernel.db import reading, transaction
from siyu.merchant.shops import service as shops
from siyu.money.reconciliation import queries, rules
from tests.merchant.lanes import lanes, wechat
from tests.money.payments.bench import Market, market
from tests.money.reconciliation.test_days import books, reconcile, wechat_url, wrong_booking
from tests.money.stored_value.house import House, boss, house, phone

__all__ = ["books", "boss", "house", "lanes", "market", "phone", "wechat", "wechat_url"]


async def patient_of(shop_id: int) -> Patient:
    async with reading(shop_id) as tx:  # type: ignore[arg-type]
        shop = await shops.get_shop(tx)
    identity = await shops.resolve_shop(shop.code)
    assert isinstance(identity, ShopIdentity)
    return Patient(config.settings(), identity, None)


async def bills(market: Market) -> Finding:
    return await doctor_money.check_reconciliation(await patient_of(market.shop_id))


async def test_bills_that_agree_differ_or_are_late(books: Market) -> None:
    assert (await bills(books)).state == "skip"
    began = clock.now()
    await books.paid()
    await reconcile(books, began)
    assert (await bills(books)).state == "ok"
    on = rules.last_day(clock.now())
    async with transaction(books.shop_id) as tx:
        await queries.insert_days(tx, "1900000000", [on], [began])
        for _ in range(2):
            await queries.move_day_failed(tx, on, "1900000000", "STATEMENT_CREATING", began)
    late = await bills(books)
    assert late.state == "warn" and "STATEMENT_CREATING" in late.found[1]
    await wrong_booking(books, 10)
    await reconcile(books, began + timedelta(days=1))
    assert (await bills(books)).state == "fail"


async def test_a_licence_that_ends(house: House, boss: object, phone: object) -> None:
    patient = await patient_of(house.shop_id)
    assert (await doctor_money.check_stored_value(patient)).state == "skip"
    offer_id = await house.open(boss, card_kind="named")
    assert (await doctor_money.check_stored_value(patient)).state == "ok"
    until = (clock.now() + timedelta(days=9)).date().isoformat()
    licence = {
        "kind": "single_purpose", "number": "A2", "issuer": "泉州市商务局",
        "valid_from_on": "2020-01-01", "valid_until_on": until, "accepted": True,
    }  # fmt: skip
    await house.ask(boss, "PUT", "/admin/v1/stored-value/licence", licence)
    assert (await doctor_money.check_stored_value(patient)).state == "warn"
    await house.top_up(phone, offer_id)
    with clock.turned(clock.now() + timedelta(days=30)):
        assert (await doctor_money.check_stored_value(patient)).state == "fail"


async def test_without_a_shop_nothing_is_said() -> None:
    nobody = Patient(config.settings(), None, None)
    assert (await doctor_money.check_stored_value(nobody)).state == "skip"
    assert (await doctor_money.check_reconciliation(nobody)).state == "skip"
