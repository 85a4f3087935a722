"""What members and staff do with orders beside buying: again, found, paid in cash, noted."""

from typing import Any

from siyu.app.sim_members import Bought, Habits, Member
from siyu.app.sim_people import Problem
from siyu.app.sim_staff import Clerk


async def buy_again(member: Member) -> None:
    """Put an old order into the cart and buy what is there."""
    if not member.bought:
        return
    old = member.dice.choice(member.bought)
    again = await member.ask("POST", f"/orders/{old.order_id}/again")
    if not again.is_good or not again.data["sku_ids"]:
        return
    asked: dict[str, Any] = {"source": "cart", "lines": [], "address_id": member.address_id}
    quoted = (await member.ask("POST", "/checkout/quote", asked)).data
    if "lines" not in quoted or (quoted["needs_address"] and not member.address_id):
        return
    lines = [{"sku_id": one["sku_id"], "quantity": one["quantity"]} for one in quoted["lines"]]
    body = member.order_body(lines, quoted) | {"source": "cart"}
    if bought := member.remember(await member.ask("POST", "/orders", body), body):
        member.street.score["bought again"] += 1
        await member.pay(bought)


async def search(member: Member) -> None:
    """Find an own order by its number; another's is never found."""
    if not member.bought:
        return
    order = await member.see(member.dice.choice(member.bought))
    if "order_no" not in order:
        return
    found = await member.ask("GET", f"/orders?q={order['order_no']}")
    if found.is_good and [row["order_no"] for row in found.data["items"]] != [order["order_no"]]:
        member.street.problems.append(f"{member.name}: {order['order_no']} was not found")
        raise Problem("/orders")
    member.street.score["orders found"] += 1


async def pay_at_counter(member: Member) -> None:
    """Pay the cashier; some have opened the pay sheet before, and some use it, too."""
    cashier = member.street.cashier
    bought = await member.order()
    if bought is None or cashier is None or bought.total_fen == 0:
        return
    started = await member.begin_payment(bought) if member.chance(0.3) else None
    await member.think(1, 60)
    await take_cash(cashier, bought)
    if started and member.chance(0.5):
        await member.use_sheet(bought, started)


async def take_cash(clerk: Clerk, bought: Bought) -> None:
    """Write down what was paid at the counter."""
    body = {"method": "cash", "amount_fen": bought.total_fen}
    await clerk.do("take cash", f"/orders/{bought.order_id}/pay-offline", body)


async def hand_back(clerk: Clerk) -> None:
    """Give cash back that was paid in cash; some customers never come for it."""
    for refund in await clerk.items("/refunds?state=counter&limit=30"):
        path = f"/refunds/{refund['refund_id']}"
        if clerk.chance(0.1):
            await clerk.do("give up refund", f"{path}/give-up", {"reason": "顾客不要了"})
        else:
            await clerk.do("hand back", f"{path}/hand-out", {"reason": "已退现金"})


async def note(clerk: Clerk) -> None:
    """Tell colleagues about an order."""
    orders: list[Any] = await clerk.items("/orders?limit=10")
    if orders and clerk.chance(0.3):
        path = f"/orders/{clerk.dice.choice(orders)['order_id']}/notes"
        await clerk.do("note", path, {"content": "顾客来电，周五前送到"})


AFTER_BUYING = (buy_again, search)
HABITS: Habits = {buy_again: 1, search: 1, pay_at_counter: 2}
DUTIES = [hand_back, note]
