"""What the doctor examines of a shop's money: bills, differences, licences."""

from datetime import timedelta

from siyu.app.doctor_checks import Finding, Patient, ok
from siyu.kernel import clock
from siyu.kernel.db import reading
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book
from siyu.money.reconciliation import service as reconciliation
from siyu.money.reconciliation.contracts import DayState, TicketState
from siyu.money.stored_value import service as stored_value

LICENCE_ENDS_SOON = timedelta(days=30)
_NO_SHOP = Finding("skip", ("未指定店铺", "No shop was named"))


async def check_reconciliation(patient: Patient) -> Finding:
    """Every day that is over was compared with WeChat's bills, and nothing is unexplained."""
    if patient.shop is None:
        return _NO_SHOP
    async with reading(patient.shop.shop_id) as tx:
        days = await reconciliation.list_days(tx, None, 31)
        tickets = await reconciliation.list_tickets(tx, TicketState.OPEN, None, 100)
    if tickets:
        return Finding(
            "fail",
            (f"{len(tickets)} 张差错单未处理", f"{len(tickets)} tickets are open"),
            ("在「对账」中逐一处理", "Resolve them under Reconciliation"),
        )
    late = [day for day in days if day.state is DayState.WAITING and day.tries > 1]
    if late:
        last = late[0]
        return Finding(
            "warn",
            (f"{last.on} 的账单未取到：{last.problem}", f"No bill of {last.on}: {last.problem}"),
            ("检查微信支付配置，稍后会自动重试", "Check WeChat Pay; it is asked again by itself"),
        )
    if not days:
        return Finding("skip", ("还没有需要对账的日子", "There is no day to reconcile yet"))
    return ok(f"已对账至 {days[0].on}", f"Reconciled until {days[0].on}")


async def check_stored_value(patient: Patient) -> Finding:
    """Who keeps members' money has a licence in force (mission 53)."""
    if patient.shop is None:
        return _NO_SHOP
    async with reading(patient.shop.shop_id) as tx:
        licence = await stored_value.get_licence(tx)
        is_open = await stored_value.is_open(tx)
        books = {row.book: row.balance for row in await ledger.list_accounts(tx)}
    kept_fen = books.get(Book.PRINCIPAL, 0) + books.get(Book.BONUS, 0)
    if not is_open and kept_fen:
        return Finding(
            "fail",
            (
                "储值资质已失效，会员仍有余额",
                "No licence is in force, and members have value",
            ),
            ("更新储值资质，或安排退款", "Renew the licence, or pay the value back"),
        )
    if licence is None or not is_open:
        return Finding("skip", ("未开通储值", "Stored value is not in use"))
    until = licence.valid_until_on
    if until is not None and until <= (clock.now() + LICENCE_ENDS_SOON).date():
        return Finding(
            "warn",
            (f"储值资质将于 {until} 到期", f"The licence for stored value ends on {until}"),
            ("及时续办", "Renew it in time"),
        )
    return ok("储值资质有效", "The licence for stored value is in force")
