"""What the money of a shop leaves behind, made through the product's own verbs: ids that nobody
outside that shop may use."""

from datetime import date, timedelta
from uuid import UUID, uuid4

from siyu.commerce.after_sale import service as after_sale
from siyu.commerce.after_sale.contracts import CaseAsked, Kind, LineAsked, Picture, Reason
from siyu.commerce.bulk import service as bulk
from siyu.commerce.bulk.contracts import TableFormat, TaskKind
from siyu.commerce.bulk.service.tasks import Upload
from siyu.commerce.coupons import service as coupons
from siyu.commerce.coupons.contracts import BatchState, Draft, Limits
from siyu.commerce.coupons.contracts import Terms as CouponTerms
from siyu.commerce.coupons.queries import Receiver
from siyu.commerce.fulfilment import service as fulfilment
from siyu.commerce.inventory import service as inventory
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import OrderPaid, Platform
from siyu.commerce.promotions import service as promotions
from siyu.commerce.promotions.contracts import (
    ChargeBy,
    FixedOff,
    ShippingPlan,
    ShippingRate,
    Threshold,
    Tier,
)
from siyu.commerce.promotions.queries import CampaignDraft
from siyu.compliance.rulebook import service as rulebook
from siyu.growth.gifting import queries as gifting_queries
from siyu.growth.gifting import service as gifting
from siyu.growth.gifting.contracts import GiftAsked, GiftKind
from siyu.insight.behaviour import service as behaviour
from siyu.insight.behaviour.contracts import BoardBody
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import Tx, transaction
from siyu.kernel.ids import new_id
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import Environment, StoreText, WeChatChange
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import Channel
from siyu.money.payouts import service as payouts
from siyu.money.profit_sharing import background as profit_sharing_work
from siyu.money.profit_sharing import service as profit_sharing
from siyu.money.profit_sharing.contracts import (
    ReceiverKind,
    Relation,
    RuleDraft,
    Scope,
    Trigger,
    Way,
)
from siyu.money.stored_value import service as stored_value
from siyu.money.stored_value.contracts import LicenceKind, Side
from siyu.people.experiments import service as experiments
from siyu.people.experiments.contracts import Arm, ExperimentDraft, Surface
from siyu.people.members import service as members
from siyu.people.members.contracts import IdentifierKind
from siyu.people.outreach import service as outreach
from siyu.people.outreach.contracts import (
    Form,
    MessageAudience,
    MessageCampaignDraft,
    MessageChannel,
    TemplateDraft,
    Topic,
)
from siyu.people.privacy import service as privacy
from siyu.people.profiles import service as profiles
from siyu.people.profiles.contracts import ByHand, TagDraft, TagGroup
from siyu.people.segments import service as segments
from siyu.wechat.pay.contracts import Trade, TradeAmount, TradeState
from tests.commerce.ordering.kit import deliver, tell

APP, MERCHANT = "wx0000000000000b0b", "1900000109"


async def set_up_sharing(member: MemberIdentity, product_id: UUID) -> dict[str, str]:
    """A merchant number, a receiver, a rule and a promoter: from now on orders are split."""
    async with transaction(member.shop_id) as tx:
        change = WeChatChange(
            environment=Environment.SANDBOX,
            appid=APP,
            mchid=MERCHANT,
            certificate_serial=None,
            public_key_id=None,
            public_key_pem=None,
        )
        await shops.set_wechat(tx, System(), change)
        receiver = await profit_sharing.add_receiver(
            tx,
            System(),
            kind=ReceiverKind.MERCHANT,
            account="1900000110",
            member_id=None,
            name="乙店的茶厂",
            relation=Relation.SUPPLIER,
            custom_relation=None,
        )
        await profit_sharing.set_promoter(tx, System(), member.member_id, None)
        draft = RuleDraft(
            title="乙店的源头",
            scope=Scope.PRODUCT,
            share_bps=1000,
            way=Way.SPLIT,
            trigger=Trigger.RECEIPT,
            product_id=product_id,
            receiver_id=receiver.receiver_id,
        )
        rule = await profit_sharing.add_rule(tx, System(), draft)
    return {
        "receiver_id": str(receiver.receiver_id), "rule_id": str(rule.rule_id), "part_no": "1",
    }  # fmt: skip


async def pay_twice(member: MemberIdentity, order_id: UUID) -> dict[str, str]:
    """The order is paid twice: the second payment is parked and goes back."""
    async with transaction(member.shop_id) as tx:
        order = await ordering.lock_order(tx, order_id)
        for channel in (Channel.JSAPI, Channel.NATIVE):
            await ordering.start_payment(tx, order_id, channel, "o-1")
        rows = await tx.connection.fetch(
            "select number from payments.attempts where order_id = $1", order_id
        )
        for row in rows:
            trade = Trade(
                appid=APP,
                mchid=MERCHANT,
                out_trade_no=row["number"],
                trade_state=TradeState.SUCCESS,
                amount=TradeAmount(total=order.wechat_fen, payer_total=order.wechat_fen),
                transaction_id=f"42{row['number'][:26]}",
                success_time=clock.now(),
            )
            await payments.record_trade(tx, trade, clock.now())
        parked = await tx.value("select parked_id from payments.suspense")
    await deliver(member.shop_id)
    await tell(member.shop_id, OrderPaid, profit_sharing_work.on_order_paid)
    return {"parked_id": str(parked)}


async def open_case(member: MemberIdentity, order_id: UUID) -> dict[str, str]:
    """A case about a paid order, with a picture; it is granted, so a refund is under way."""
    picture_id = new_id()
    async with transaction(member.shop_id) as tx:
        await after_sale.keep_picture(tx, member.member_id, Picture(picture_id, 10, 10))
        asked = CaseAsked(
            kind=Kind.REFUND_ONLY,
            reason=Reason.NOT_WANTED,
            lines=[LineAsked(line_no=1, quantity=1)],
            picture_ids=[picture_id],
        )
        case_id = (await after_sale.open_case(tx, member, order_id, asked)).case_id
    async with transaction(member.shop_id) as tx:
        case = await after_sale.approve_case(tx, System(), case_id)
    return {
        "case_id": str(case_id),
        "picture_id": str(picture_id),
        "refund_id": str(case.refund_id),
    }


async def pack(member: MemberIdentity, order_id: UUID) -> dict[str, str]:
    """A paid order waits to be sent; there is a place to collect at, and a parcel of some other."""
    async with transaction(member.shop_id) as tx:
        place = await shops.save_store(tx, System(), None, StoreText(name="乙店", address="乙店路"))
        consignment = await fulfilment.open_for(tx, await ordering.lock_order(tx, order_id))
        assert consignment is not None
        payment_id = await tx.value(
            "select payment_id from payments.attempts where order_id = $1 limit 1", order_id
        )
        parcel_id = new_id()
        await tx.run(
            """insert into fulfilment.parcels
                 (shop_id, parcel_id, receiver_id, carrier, tracking_no, sent_at)
               values ($1, $2, $3, '乙店快递', '乙店单号', now())""",
            tx.shop_id,
            parcel_id,
            member.member_id,
        )
    return {
        "store_id": str(place.store_id),
        "consignment_id": str(consignment.consignment_id),
        "parcel_id": str(parcel_id),
        "payment_id": str(payment_id),
    }


async def claim_coupon(member: MemberIdentity) -> dict[str, str]:
    """A batch of coupons, and one of it that the member has."""
    async with transaction(member.shop_id) as tx:
        draft = Draft(
            name="乙店的优惠券",
            note="乙店",
            terms=CouponTerms(gives=FixedOff(1), starts_at=clock.now()),
            limits=Limits(ends_at=clock.now() + timedelta(days=9)),
        )
        made = await coupons.create_batch(tx, System(), draft)
        batch = await coupons.move_batch(tx, System(), made.batch_id, BatchState.RUNNING)
        receiver = Receiver(member.member_id, member.person_no)
        claim_id = await coupons.claim(tx, receiver, batch.batch_id, None)
    return {"batch_id": str(batch.batch_id), "claim_id": str(claim_id)}


async def fill_wallet(member: MemberIdentity) -> dict[str, str]:
    """An offer, a top-up, and a correction that a second person has to decide."""
    async with transaction(member.shop_id) as tx:
        await stored_value.accept_licence(
            tx,
            System(),
            kind=LicenceKind.SINGLE_PURPOSE,
            number="乙店备案",
            issuer="乙店商务局",
            valid_from_on=date(2020, 1, 1),
            valid_until_on=None,
            accepted=True,
        )
        offer = await stored_value.add_offer(tx, System(), amount_fen=100, bonus_fen=1)
        top_up = await stored_value.place_top_up(tx, member, offer.offer_id, "h5")
        asked = await stored_value.adjust(
            tx, System(), member.member_id, side=Side.BONUS, delta_fen=90_000, reason="乙店的更正"
        )
    return {
        "offer_id": str(offer.offer_id),
        "top_up_id": str(top_up.top_up_id),
        "adjustment_id": str(asked.adjustment_id),
    }


async def propose_merge(member: MemberIdentity) -> dict[str, str]:
    """The member and somebody from the counter, said to be one person."""
    async with transaction(member.shop_id) as tx:
        card = (IdentifierKind.CARD, "YIDIAN-1")
        other = await members.register(tx, System(), "乙店顾客", [card])
        merge_id = await members.propose_merge(tx, System(), member.member_id, other)
    return {"merge_id": str(merge_id)}


async def ask_payout(member: MemberIdentity) -> dict[str, str]:
    """A payout of commission, not yet told to WeChat."""
    async with transaction(member.shop_id) as tx:
        legs = [
            Leg(Book.COMMISSION_COST, 50_000),
            Leg(Book.COMMISSION, -50_000, owner=member.member_id),
        ]
        await ledger.post(tx, Entry(f"share:{uuid4()}", "commission_accrued", legs))
        payout = await payouts.request_payout(tx, member.member_id, member.person_no, 1000, None)
    return {"payout_id": str(payout.payout_id)}


async def say_something(member: MemberIdentity, order_id: UUID) -> dict[str, str]:
    """A review of the order's first line, shown and lent, with a table of goods beside it."""
    async with transaction(member.shop_id) as tx:
        await tx.run(
            """insert into reviews.reviews (shop_id, review_id, order_id, line_no, member_id,
                 person_no, author, product_id, product_no, sku_id, title, option_values, stars,
                 is_anonymous, completed_at, submitted_at)
               select shop_id, $2, order_id, line_no, $3, $4, '乙**店', product_id, product_no,
                 sku_id, title, option_values, 5, false, now(), now()
               from ordering.order_lines where order_id = $1""",
            order_id,
            review_id := new_id(),
            member.member_id,
            member.person_no,
        )
        await tx.run(
            """insert into reviews.posts (shop_id, review_id, part, state, text, hits, said_at)
               values ($1, $2, 'first', 'waiting', '乙店的评价', '{}', now())""",
            member.shop_id,
            review_id,
        )
        table = Upload(new_id(), "乙店.csv", 1, TableFormat.CSV, ["x"], [])
        task = await bulk.create_task(tx, System(), TaskKind.PRODUCTS_IN, table)
    return {"review_id": str(review_id), "task_id": str(task.task_id)}


async def differ(member: MemberIdentity) -> dict[str, str]:
    """A day of which WeChat's bill and we say different things, and its ticket."""
    on = clock.now().date() - timedelta(days=2)
    async with transaction(member.shop_id) as tx:
        return {"on": on.isoformat(), "ticket_id": str(await _ticket(tx, on))}


async def _ticket(tx: Tx, on: date) -> UUID:
    await tx.run(
        """insert into reconciliation.days (shop_id, "on", merchant, state, compared_at)
           values ($1, $2, $3, 'open', now())""",
        tx.shop_id,
        on,
        MERCHANT,
    )
    ticket_id = new_id()
    await tx.run(
        """insert into reconciliation.tickets (shop_id, ticket_id, "on", merchant, difference,
             bill, number, theirs_fen, unmatched_fen, state, opened_at)
           values ($1, $2, $3, $4, 'broken_chain', 'fund', '乙店流水', 100, 0, 'open', now())""",
        tx.shop_id,
        ticket_id,
        on,
        MERCHANT,
    )
    return ticket_id


async def make_prices(member: MemberIdentity) -> dict[str, str]:
    """A campaign that runs, and a shipping template."""
    async with transaction(member.shop_id) as tx:
        campaign_id = await promotions.create_campaign(
            tx,
            System(),
            CampaignDraft(
                title="乙店的满减",
                starts_at=clock.now(),
                stacking="adds",
                terms=Threshold([Tier(10**9, 1)]),
            ),
        )
        await promotions.start_campaign(tx, System(), campaign_id, 1, "乙店的理由")
        plan = ShippingPlan(ChargeBy.FLAT, ShippingRate(0))
        template_id = await promotions.save_template(tx, System(), "乙店的快递", plan)
    return {"campaign_id": str(campaign_id), "template_id": str(template_id)}


async def give(member: MemberIdentity, product_id: UUID, sku_id: UUID) -> dict[str, str]:
    """A gift of the member's that is paid and waits to be accepted."""
    async with transaction(member.shop_id) as tx:
        await gifting.mark_product(tx, System(), product_id)
        asked = GiftAsked(sku_id=sku_id, count=1, kind=GiftKind.FRIEND, blessing="乙店的祝福")
        basket = await gifting.quote(tx, member, asked, ordering.Choice())
        gift = await gifting.give(
            tx,
            member,
            asked,
            expected_total_fen=basket.quote.total_fen,
            expected_payable_fen=None,
            platform=Platform.H5,
            choice=ordering.Choice(),
            promoter_id=None,
        )
        await gifting.open_gift(tx, gift.order_id, clock.now())
        [share] = await gifting_queries.list_shares(tx, gift.gift_id)
    return {
        "gift_id": str(gift.gift_id),
        "share_id": str(share.share_id),
        "link_key": gift.link_key,
        "share_no": str(share.share_no),
    }


async def keep_stock(member: MemberIdentity) -> dict[str, str]:
    """A second warehouse."""
    async with transaction(member.shop_id) as tx:
        warehouse = await inventory.create_warehouse(tx, System(), name="乙店副仓", priority=2)
    return {"warehouse_id": str(warehouse.warehouse_id)}


async def look_into(member: MemberIdentity) -> dict[str, str]:
    """A segment, a tag, a board and a remark of the shop."""
    async with transaction(member.shop_id) as tx:
        segment = await segments.save_persons(tx, System(), "乙店的熟客", [member.person_no])
        draft = TagDraft(name="乙店的标签", group=TagGroup.BASIC, making=ByHand())
        tag = await profiles.make_tag(tx, System(), draft)
        board = await behaviour.save_board(tx, System(), BoardBody(name="乙店的看板"))
        remark = await behaviour.annotate(tx, System(), clock.now().date(), "乙店的活动")
    return {
        "segment_id": str(segment.segment_id),
        "tag_id": str(tag.tag_id),
        "board_id": str(board.board_id),
        "annotation_id": str(remark.annotation_id),
        **dict.fromkeys(("key", "playbook", "check"), "theirs"),
    }


async def try_something(member: MemberIdentity) -> dict[str, str]:
    """An experiment that runs."""
    async with transaction(member.shop_id) as tx:
        draft = ExperimentDraft(
            key="theirs",
            name="乙店的横幅",
            surface=Surface.BANNER,
            baseline_micro=40_000,
            arms=[
                Arm(key="a", name="原样", weight_bps=5_000),
                Arm(key="b", name="新", weight_bps=5_000, payload={"title": "乙店上新"}),
            ],
        )
        made = await experiments.make_experiment(tx, System(), draft)
        await experiments.start_experiment(tx, System(), made.experiment_id)
    return {"experiment_id": str(made.experiment_id)}


async def write_to(member: MemberIdentity) -> dict[str, str]:
    """A template and a campaign that uses it; a number that nobody has in the first shop."""
    async with transaction(member.shop_id) as tx:
        draft = TemplateDraft(
            key="theirs",
            name="乙店的消息",
            topic=Topic.NEWS,
            forms=[Form(channel=MessageChannel.INBOX, title="乙店", text="乙店上新")],
        )
        template = await outreach.save_template(tx, System(), draft)
        wanted = MessageCampaignDraft(
            name="乙店的群发",
            template_id=template.template_id,
            audience=MessageAudience(kind="all"),
        )
        campaign = await outreach.save_campaign(tx, System(), wanted)
    return {
        "message_template_id": str(template.template_id),
        "message_campaign_id": str(campaign.campaign_id),
        "person_no": "987654",
    }


async def leave_papers(member: MemberIdentity) -> dict[str, str]:
    """An archive of the member's data, and a violation."""
    async with transaction(member.shop_id) as tx:
        archive_id = await privacy.ask_archive(tx, member, member.member_id, "乙店的原因")
        await rulebook.note_violation(
            tx, System(), happened_at=clock.now(), source="own", rule_id=None, points=1,
            what="乙店的违规",
        )  # fmt: skip
        [violation] = await rulebook.list_violations(tx)
    return {
        "archive_id": str(archive_id),
        "violation_id": str(violation.violation_id),
    }
