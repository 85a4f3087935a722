"""Pure decisions of the ledger: the chart of accounts, the kinds of entries, the story of an order.

A domain that books something new adds one line to `KINDS`: the word on the screen and the sentence
of the story, in both languages. `{total}` is what the entry moves; the legs follow by themselves.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final
from uuid import UUID

import msgspec

from siyu.kernel.i18n import Language
from siyu.money.ledger.contracts import (
    AccountRow,
    Book,
    Entry,
    EntryId,
    HoldRow,
    Leg,
    Sentence,
    StoredEntry,
    StoredLeg,
    ToldLeg,
    TrialBalance,
    TrialLine,
    TrialTotal,
)

POINT: Final = "POINT"


class BookWords(msgspec.Struct, frozen=True):
    """A book: its normal side (1 debit, -1 credit), whether accounts have owners, its words."""

    side: int
    is_owned: bool
    zh: str
    en: str


BOOKS: Final[dict[Book, BookWords]] = {
    Book.WECHAT: BookWords(1, False, "微信支付余额", "Balance at WeChat Pay"),
    Book.WECHAT_FROZEN: BookWords(1, False, "微信待分账资金", "Frozen at WeChat for splitting"),
    Book.RECEIVABLE: BookWords(1, True, "应收分账方", "Owed by receivers"),
    Book.PETTY: BookWords(1, False, "微信外现金", "Cash outside WeChat"),
    Book.PRINCIPAL: BookWords(-1, True, "会员储值本金", "Stored value, paid by members"),
    Book.BONUS: BookWords(-1, True, "会员储值赠金", "Stored value, given as bonus"),
    Book.COMMISSION: BookWords(-1, True, "应付佣金与分账", "Commission owed"),
    Book.REFUND_DUE: BookWords(-1, False, "待退款", "Refunds under way"),
    Book.PAYOUT_DUE: BookWords(-1, False, "付款处理中", "Payouts under way"),
    Book.TAX_DUE: BookWords(-1, False, "应缴代扣税款", "Tax withheld"),
    Book.SUSPENSE: BookWords(-1, False, "挂账款项", "Suspense"),
    Book.UNMATCHED: BookWords(-1, False, "对账差异", "Differences with WeChat's bills"),
    Book.SALES: BookWords(-1, False, "销售收入", "Sales"),
    Book.BREAKAGE: BookWords(-1, False, "过期余额收入", "Breakage of expired balances"),
    Book.FEES: BookWords(1, False, "微信支付手续费", "WeChat Pay fees"),
    Book.COMMISSION_COST: BookWords(1, False, "佣金与分账支出", "Commission cost"),
    Book.BONUS_COST: BookWords(1, False, "储值赠送支出", "Bonus cost"),
    Book.LOSSES: BookWords(1, False, "损失", "Losses"),
    Book.OPENING: BookWords(-1, False, "期初余额", "Opening balances"),
    Book.POINTS: BookWords(-1, True, "会员积分", "Points of members"),
    Book.POINTS_ISSUED: BookWords(1, False, "已发放积分", "Points issued"),
}


class KindWords(msgspec.Struct, frozen=True):
    """A kind of entry: its name, and its sentence in the story of an order."""

    zh: str
    en: str
    story_zh: str
    story_en: str


KINDS: Final[dict[str, KindWords]] = {
    # payments
    "payment": KindWords(
        "收款", "Payment",
        "顾客通过微信支付付款 {total}，记为销售收入。",
        "The customer paid {total} through WeChat Pay; it counts as sales.",
    ),
    "payment_offline": KindWords(
        "柜台收款", "Payment at the counter",
        "店员在柜台收款 {total}，记为销售收入。",
        "Staff collected {total} at the counter; it counts as sales.",
    ),
    "payment_parked": KindWords(
        "挂账", "Payment parked",
        "收到 {total}，与订单不符，先挂账等待处理。",
        "{total} arrived that does not fit the order; it waits in suspense.",
    ),
    "sale_parked": KindWords(
        "收款转挂账", "Payment moved to suspense",
        "已收的 {total} 无法对应有效订单，从销售收入转入挂账。",
        "{total} already received fits no open order; it moved from sales to suspense.",
    ),
    "refund_due": KindWords(
        "发起退款", "Refund decided",
        "决定退还顾客 {total}，冲减销售收入，等待微信退款。",
        "A refund of {total} was decided; sales go down, WeChat has yet to pay it back.",
    ),
    "suspense_refund_due": KindWords(
        "挂账退款", "Refund out of suspense",
        "挂账的 {total} 决定原路退回，等待微信退款。",
        "{total} in suspense goes back the way it came; WeChat has yet to pay it back.",
    ),
    "refund": KindWords(
        "退款成功", "Refund paid",
        "微信已将 {total} 退还顾客。",
        "WeChat has paid {total} back to the customer.",
    ),
    "refund_outside": KindWords(
        "微信外退款", "Refund settled outside WeChat",
        "商家在微信之外退给顾客 {total}。",
        "The shop gave the customer {total} outside of WeChat.",
    ),
    "refund_to_merchant": KindWords(
        "异常退款退回商户", "Refund came back to the shop",
        "退款无法到达顾客账户，微信将 {total} 退到商户银行卡，仍欠顾客。",
        "The refund found no way to the customer; WeChat gave {total} to the shop, which owes it.",
    ),
    "refund_lost": KindWords(
        "重复退款损失", "Refund paid twice",
        "已另行了结的退款，微信又支付了 {total}，记为损失。",
        "WeChat paid {total} for a refund that was already settled; it counts as a loss.",
    ),
    "refund_closed": KindWords(
        "放弃退款", "Refund given up",
        "退款 {total} 未能执行且不再退还，恢复到退款前。",
        "The refund of {total} was not carried out and is given up; the books stand as before.",
    ),
    "parked_accepted": KindWords(
        "挂账转回订单", "Suspense accepted by the order",
        "挂账的 {total} 经人工确认，归入订单。",
        "{total} in suspense was checked by staff and given to the order.",
    ),
    "parked_kept": KindWords(
        "挂账转收入", "Suspense booked as sale",
        "挂账的 {total} 经人工确认，记为销售收入。",
        "{total} in suspense was checked by staff and booked as a sale.",
    ),
    "parked_apart": KindWords(
        "超付冻结资金单列", "Frozen money set apart",
        "超付而留下的 {total} 从订单中单列，等待解冻。",
        "{total} paid on top and kept is set apart from the order, to be unfrozen.",
    ),
    # profit sharing
    "commission_accrued": KindWords(
        "计提分账", "Commission accrued",
        "按规则应分给接收方 {total}，记为应付。",
        "By the rules {total} is owed to receivers; it counts as cost.",
    ),
    "commission_revoked": KindWords(
        "撤回分账", "Commission revoked",
        "订单退款，撤回应付接收方 {total}。",
        "The order was refunded; {total} is no longer owed to receivers.",
    ),
    "split": KindWords(
        "分账成功", "Split paid",
        "微信已把 {total} 分给接收方。",
        "WeChat has paid {total} to the receiver.",
    ),
    "split_unfrozen": KindWords(
        "解冻剩余资金", "Rest unfrozen",
        "分账结束，剩余 {total} 解冻到商户余额。",
        "Splitting has ended; the rest of {total} is free again.",
    ),
    "split_returned": KindWords(
        "分账回退", "Split returned",
        "接收方退回 {total}。",
        "The receiver gave {total} back.",
    ),
    # payouts
    "payout": KindWords(
        "发起付款", "Payout accepted",
        "微信已受理付款 {total}，等待到账。",
        "WeChat accepted a payout of {total}; it is under way.",
    ),
    "payout_paid": KindWords(
        "付款到账", "Payout finished",
        "{total} 已到收款人账户。",
        "{total} reached the payee.",
    ),
    "payout_failed": KindWords(
        "付款退回", "Payout failed",
        "付款未成功，{total} 退回应付余额。",
        "The payout did not succeed; {total} is owed again.",
    ),
    # stored value
    "top_up": KindWords(
        "会员充值", "Top-up",
        "会员充值 {total}，记为储值本金。",
        "The member topped up {total} of stored value.",
    ),
    "top_up_bonus": KindWords(
        "充值赠送", "Top-up bonus",
        "充值赠送 {total}。",
        "A bonus of {total} was given with the top-up.",
    ),
    "balance_spent": KindWords(
        "余额支付", "Paid with stored value",
        "会员用储值余额支付 {total}。",
        "The member paid {total} with stored value.",
    ),
    "balance_given_back": KindWords(
        "余额退回", "Stored value given back",
        "退款中的 {total} 按原比例退回储值余额。",
        "{total} of the refund went back to the stored value, in its proportion.",
    ),
    "balance_expired": KindWords(
        "余额过期", "Stored value expired",
        "储值余额 {total} 过期。",
        "Stored value of {total} expired.",
    ),
    "top_up_withdrawn": KindWords(
        "收回赠金", "Bonus withdrawn",
        "充值退款，收回或扣除与之对应的赠送 {total}。",
        "A top-up was refunded; the bonus of {total} that belongs to it was taken back.",
    ),
    "balance_adjusted": KindWords(
        "余额调账", "Stored value adjusted",
        "人工调整储值余额 {total}。",
        "Stored value was adjusted by {total} by staff.",
    ),
    "balance_moved": KindWords(
        "储值随档案转移", "Stored value moved",
        "会员档案合并或撤销合并，储值 {total} 随之转移。",
        "Records of a member were merged or parted; {total} of stored value moved with them.",
    ),
    # points
    "points_earned": KindWords(
        "获得积分", "Points earned", "会员获得 {total}。", "The member earned {total}."
    ),
    "points_spent": KindWords(
        "使用积分", "Points spent", "会员使用 {total} 抵扣。", "The member spent {total}."
    ),
    "points_given_back": KindWords(
        "退回积分", "Points given back",
        "订单退款，退回 {total}。",
        "The order was refunded; {total} went back to the member.",
    ),
    "points_revoked": KindWords(
        "扣回积分", "Points revoked",
        "订单退款，扣回已获得的 {total}。",
        "The order was refunded; {total} earned with it were taken back.",
    ),
    "points_set_off": KindWords(
        "抵扣欠扣积分", "Points set off",
        "此前退款欠扣的积分，从新获得的积分中抵扣 {total}。",
        "{total} were set off against points owed from an earlier refund.",
    ),
    "points_expired": KindWords(
        "积分过期", "Points expired", "{total} 过期。", "{total} expired."
    ),
    "points_moved": KindWords(
        "积分随档案转移", "Points moved",
        "会员档案合并或撤销合并，{total} 随之转移。",
        "Records of a member were merged or parted; {total} moved with them.",
    ),
    "points_adjusted": KindWords(
        "调整积分", "Points adjusted", "人工调整 {total}。", "{total} were adjusted by staff."
    ),
    # reconciliation
    "fee": KindWords(
        "微信手续费", "WeChat fee",
        "微信按费率收取手续费 {total}。",
        "WeChat charged a fee of {total}.",
    ),
    "withdrawal": KindWords(
        "提现到银行", "Withdrawn to the bank",
        "商户从微信提现 {total} 到银行账户。",
        "The shop withdrew {total} from WeChat to its bank.",
    ),
    "deposit": KindWords(
        "充值到微信", "Deposited at WeChat",
        "商户从银行账户充值 {total} 到微信。",
        "The shop paid {total} from its bank into WeChat.",
    ),
    "bill_unmatched": KindWords(
        "对账差异", "Difference on the bill",
        "微信账单与账本相差 {total}，先记为差异并开出差错单。",
        "WeChat's bill and the ledger differ by {total}; it stands apart until it is explained.",
    ),
    "bill_written_off": KindWords(
        "对账差异核销", "Difference written off",
        "对账差异 {total} 经人工确认核销。",
        "The difference of {total} was checked by staff and written off.",
    ),
    "bill_outside": KindWords(
        "对账差异归入外部现金", "Difference explained by cash",
        "对账差异 {total} 经人工确认，为微信外现金往来。",
        "The difference of {total} was checked by staff: it is cash outside WeChat.",
    ),
    # everywhere
    "opening": KindWords(
        "期初", "Opening", "期初余额 {total}。", "An opening balance of {total}."
    ),
    "reversal": KindWords(
        "冲正", "Reversal",
        "冲正一笔 {total} 的账，恢复到入账前。",
        "An entry of {total} was taken back, as if it had not been booked.",
    ),
}  # fmt: skip


# --- entries --------------------------------------------------------------------------------------


def check_entry(entry: Entry) -> list[Leg]:
    """The legs of an entry without those of 0; asserts what only a bug could break."""
    legs = [leg for leg in entry.legs if leg.amount]
    assert entry.kind in KINDS, f"{entry.kind} has no words in ledger.rules.KINDS"
    assert len(legs) >= 2, f"{entry.key}: an entry has at least two legs"
    sums: Counter[str] = Counter()
    for leg in legs:
        sums[leg.asset] += leg.amount
        assert BOOKS[leg.book].is_owned == (leg.owner is not None), f"{entry.key}: {leg.book}"
    assert not any(sums.values()), f"{entry.key}: {dict(sums)} does not sum to zero"
    return legs


def legs_of(entry: StoredEntry) -> list[Leg]:
    """The stored legs in the form they are posted in."""
    return [Leg(leg.book, leg.amount, leg.owner, leg.asset) for leg in entry.legs]


def opposite(legs: Iterable[Leg]) -> list[Leg]:
    """The legs that take these back."""
    return [Leg(leg.book, -leg.amount, leg.owner, leg.asset) for leg in legs]


def says_the_same(entry: Entry, reverses: EntryId | None, stored: StoredEntry) -> bool:
    """Whether a repeat under the same key books what is booked already."""
    return (entry.kind, entry.order_id, entry.ref, reverses, check_entry(entry)) == (
        stored.kind, stored.order_id, stored.ref, stored.reverses, legs_of(stored),
    )  # fmt: skip


def check_settlement(entry: Entry, holds: Iterable[HoldRow]) -> None:
    """Assert that an entry takes from each held account something, and not more than was held."""
    held: Counter[tuple[Book, UUID | None, str]] = Counter()
    for one in holds:
        held[one.book, one.owner, one.asset] += one.amount
    taken: Counter[tuple[Book, UUID | None, str]] = Counter()
    for leg in entry.legs:
        taken[leg.book, leg.owner, leg.asset] -= leg.amount * BOOKS[leg.book].side
    for account, amount in held.items():
        assert 0 < taken[account] <= amount, f"{entry.key}: {taken[account]} of {amount} held"


def trial_balance(rows: Iterable[AccountRow], language: Language) -> TrialBalance:
    """The trial balance in the order of the chart of accounts, each balance on its side."""
    order = list(BOOKS)
    lines = []
    for row in sorted(rows, key=lambda row: (row.asset, order.index(row.book))):
        net = row.balance * BOOKS[row.book].side
        lines.append(
            TrialLine(
                book=row.book,
                name=book_name(row.book, language),
                asset=row.asset,
                accounts=row.accounts,
                debit=max(net, 0),
                credit=max(-net, 0),
                held=row.held,
            )
        )
    totals = []
    for asset in sorted({line.asset for line in lines}):
        debit = sum(line.debit for line in lines if line.asset == asset)
        credit = sum(line.credit for line in lines if line.asset == asset)
        totals.append(TrialTotal(asset=asset, debit=debit, credit=credit, is_even=debit == credit))
    return TrialBalance(lines=lines, totals=totals)


# --- the story ------------------------------------------------------------------------------------

_NO_CENTS: Final = frozenset({"JPY", "KRW", "VND", "CLP", "ISK"})


def money_text(amount: int, asset: str, language: Language) -> str:
    """An amount as people write it: ¥1,234.50, 120 积分, 12.00 USD."""
    if asset == POINT:
        return f"{amount:,} 积分" if language == "zh-CN" else f"{amount:,} points"
    sign, units = "-" if amount < 0 else "", abs(amount)
    digits = f"{units:,}" if asset in _NO_CENTS else f"{units // 100:,}.{units % 100:02d}"
    return f"{sign}¥{digits}" if asset == "CNY" else f"{sign}{digits} {asset}"


def kind_name(kind: str, language: Language) -> str:
    """The word for a kind of entry."""
    return KINDS[kind].zh if language == "zh-CN" else KINDS[kind].en


def book_name(book: Book, language: Language) -> str:
    """The word for a book."""
    return BOOKS[book].zh if language == "zh-CN" else BOOKS[book].en


def tell(entries: Iterable[StoredEntry], language: Language) -> list[Sentence]:
    """The story of these entries, in their order, each with where the money stands after it."""
    standing: Counter[tuple[Book, str]] = Counter()
    told = []
    for entry in entries:
        for leg in entry.legs:
            standing[leg.book, leg.asset] += leg.amount * BOOKS[leg.book].side
        words = KINDS[entry.kind]
        text = words.story_zh if language == "zh-CN" else words.story_en
        told.append(
            Sentence(
                entry_id=entry.entry_id,
                at=entry.at,
                kind=entry.kind,
                title=kind_name(entry.kind, language),
                text=text.format(total=_total(entry, language)),
                note=entry.note,
                legs=[_tell_leg(leg, language) for leg in entry.legs],
                standing=_tell_standing(standing, language),
            )
        )
    return told


def _total(entry: StoredEntry, language: Language) -> str:
    totals: Counter[str] = Counter()
    for leg in entry.legs:
        totals[leg.asset] += max(leg.amount, 0)
    joint = " 和 " if language == "zh-CN" else " and "
    return joint.join(money_text(units, asset, language) for asset, units in totals.items())


def _tell_leg(leg: StoredLeg, language: Language) -> ToldLeg:
    debit, credit = ("借", "贷") if language == "zh-CN" else ("Dr", "Cr")
    return ToldLeg(
        side=debit if leg.amount > 0 else credit,
        book=book_name(leg.book, language),
        amount=money_text(abs(leg.amount), leg.asset, language),
    )


def _tell_standing(standing: Counter[tuple[Book, str]], language: Language) -> str:
    is_zh = language == "zh-CN"
    parts = [
        f"{book_name(book, language)} {money_text(standing[book, asset], asset, language)}"
        for book in BOOKS
        for asset in sorted(asset for known, asset in standing if known is book)
        if standing[book, asset]
    ]
    if not parts:
        return "至此本订单各科目均已结清。" if is_zh else "So far every account of it is settled."
    return f"至此：{'，'.join(parts)}。" if is_zh else f"So far: {', '.join(parts)}."
