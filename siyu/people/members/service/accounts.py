"""Log-in, visitors, profile, addresses, and customers of an imported history."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.crypto import mask_phone, vault
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.errors import SiyuError
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.people.members import queries, rules
from siyu.people.members.contracts import (
    Address,
    AddressNotFound,
    AddressText,
    CheckoutMember,
    Evidence,
    IdentifierKind,
    Identity,
    ImportedMember,
    ImportRow,
    Level,
    LoggedIn,
    Member,
    MemberDetail,
    MemberJoined,
    MemberLoggedIn,
    MemberNotFound,
    MemberSummary,
    NoPayer,
    PayerAccount,
    PersonJoined,
    PhoneGiven,
    Platform,
    TooManyAddresses,
    Visitor,
)
from siyu.people.members.service import identity_store, import_store
from siyu.people.members.service.identity import link, person_of

_decode = msgspec.json.Decoder(dict[str, str]).decode


def shown_member(row: queries.MemberRow) -> Member:
    """A stored member as others may see it."""
    phone = None if row.phone_sealed is None else mask_phone(vault().open(row.phone_sealed))
    return Member(
        row.member_id, row.person_no, row.nickname, row.avatar_url, phone, row.level, row.joined_at
    )


# --- log-in -----------------------------------------------------------------------------------


async def record_login(
    tx: Tx,
    app_id: str,
    subject: str,
    *,
    union_id: str | None,
    platform: Platform,
    visitor: UUID | None = None,
) -> LoggedIn:
    """Note that the person whom `app_id` knows as `subject` logged in; a new one becomes a member.

    union_id: an id shared by several apps of one owner; a member found by it gets this log-in too.
    visitor: the browser's key; what it did before now belongs to the member.
    """
    known = await queries.get_member_by_login(tx, app_id, subject)
    if known is None:
        row, is_new = await _make_login(tx, app_id, subject, union_id, platform)
    else:
        row, is_new = known, False
        if union_id is not None and not known.has_union:
            row = await _learn_union(tx, known, union_id)
    if not is_new:
        row = await queries.set_logged_in(tx, row.member_id, clock.now())
    emit(tx, MemberLoggedIn(row.person_no, row.member_id, platform))
    if visitor is not None:
        await join_visitor(tx, visitor, row.member_id, row.person_no)
    return LoggedIn(shown_member(row), is_new)


async def link_app(tx: Tx, app_id: str, subject: str, union_id: str) -> bool:
    """Note that another app of the owner, such as its official account, knows as `subject` whom we
    know by their shared id. False when nobody here has it: nobody becomes a member by this, it
    waits for their account."""
    await queries.lock_person_counter(tx)
    if await queries.get_member_by_login(tx, app_id, subject) is not None:
        return True
    now, union_key = clock.now(), vault().lookup(union_id)
    holder = await identity_store.get_holder(tx, IdentifierKind.UNIONID, union_key)
    if holder is None:
        await identity_store.wait_login(tx, app_id, subject, union_key, now)
        return False
    await queries.insert_login(tx, app_id, subject, holder, now)
    return True


async def forget_app(tx: Tx, app_id: str, subject: str) -> None:
    """Somebody without an account here has left another app of the owner: nothing is kept."""
    await identity_store.delete_waiting(tx, app_id, subject)


async def _make_login(
    tx: Tx, app_id: str, subject: str, union_id: str | None, platform: Platform
) -> tuple[queries.MemberRow, bool]:
    """Make the log-in, and the member unless it is known by its shared id."""
    last_no = await queries.lock_person_counter(tx)
    # Another log-in of the same person may have been faster: look again under the lock.
    known = await queries.get_member_by_login(tx, app_id, subject)
    if known is not None:
        return known, False
    now = clock.now()
    union_key = vault().lookup(union_id) if union_id else None
    if union_key is not None:
        holder = await identity_store.get_holder(tx, IdentifierKind.UNIONID, union_key)
        if holder is not None:
            await queries.insert_login(tx, app_id, subject, holder, now)
            return _found(await queries.get_member(tx, await person_of(tx, holder))), False
    nickname = f"会员{last_no + 1}"
    row = await queries.insert_member(
        tx,
        member_id=new_id(),
        person_no=last_no + 1,
        nickname=nickname,
        nickname_key=rules.search_key(nickname),
        union_key=union_key,
        app_id=app_id,
        subject=subject,
        at=now,
    )
    emit(tx, MemberJoined(row.person_no, row.member_id, platform))
    if union_id is not None:
        await link(tx, row.member_id, IdentifierKind.UNIONID, union_id, Evidence.LOGIN)
    return row, True


async def _learn_union(tx: Tx, known: queries.LoginRow, union_id: str) -> queries.MemberRow:
    """A log-in told a shared id for the first time; another record that has it is this person."""
    await link(tx, known.record_id, IdentifierKind.UNIONID, union_id, Evidence.LOGIN)
    await queries.set_union(tx, known.record_id, vault().lookup(union_id))
    return _found(await queries.get_member(tx, await person_of(tx, known.record_id)))


async def get_payer(tx: ReadTx, member_id: UUID, app_id: str) -> PayerAccount:
    """The id under which `app_id` knows the member. Raises NoPayer."""
    payer = await queries.get_payer(tx, member_id, app_id)
    if payer is None:
        raise NoPayer
    return payer


# --- visitors ---------------------------------------------------------------------------------


async def persons_of_visitors(tx: Tx, visitors: Sequence[UUID]) -> dict[UUID, int]:
    """The person number behind each visitor key; new keys become persons. One trip when known."""
    wanted = sorted(set(visitors))
    found = {row.visitor: row.person_no for row in await queries.list_visitors(tx, wanted)}
    if len(found) < len(wanted):
        last_no = await queries.lock_person_counter(tx)
        for row in await queries.list_visitors(tx, wanted):
            found[row.visitor] = row.person_no
        missing = [visitor for visitor in wanted if visitor not in found]
        if missing:
            made = await queries.insert_visitors(tx, missing, last_no + 1, clock.now())
            found.update((row.visitor, row.person_no) for row in made)
    return found


async def hold_visitor(tx: Tx, visitor: UUID) -> Visitor | None:
    """Who is behind a visitor key, held so that no log-in takes it over meanwhile; None: nobody."""
    known = await queries.lock_visitor(tx, visitor)
    if known is None:
        return None
    own = known.member_id is None and await queries.is_visitors_own(tx, known.person_no)
    return Visitor(known.person_no, is_members=not own)


async def join_visitor(tx: Tx, visitor: UUID, member_id: UUID, person_no: int) -> None:
    """The visitor is this member: an unnamed person behind the key is merged into the member's.

    A key that belonged to another member (a phone handed on) only changes hands.
    """
    known = await queries.lock_visitor(tx, visitor)
    if known is None:
        # A batch of the collector may be making a person for this key: let it finish, look again.
        await queries.lock_person_counter(tx)
        known = await queries.lock_visitor(tx, visitor)
    if known is not None and known.person_no == person_no:
        return
    await queries.point_visitor(tx, visitor, person_no, member_id, clock.now())
    if known is not None and await queries.merge_person(tx, known.person_no, person_no):
        emit(tx, PersonJoined(person_no, known.person_no))


async def list_identities(tx: ReadTx, person_no: int) -> list[Identity]:
    """The numbers under which the shop met a person: their own, and those of joined visitors.

    Those of records merged with it too. Smallest first; empty for a number that nobody has.
    """
    return await queries.list_identities(tx, await identity_store.list_person_nos(tx, person_no))


# --- profile ----------------------------------------------------------------------------------


async def get_member(tx: ReadTx, member_id: UUID) -> Member:
    """A member; raises MemberNotFound."""
    return shown_member(_found(await queries.get_member(tx, member_id)))


def summary(row: queries.MemberRow) -> MemberSummary:
    """A stored member as a list of staff shows it."""
    member = shown_member(row)
    return MemberSummary(
        row.member_id,
        row.person_no,
        rules.shown(row.nickname),
        row.avatar_url,
        member.phone_masked,
        row.level,
        row.joined_at,
        row.last_login_at,
        row.source,
    )


async def get_detail(tx: ReadTx, member_id: UUID) -> MemberDetail:
    """A member with what they left here. Raises MemberNotFound."""
    row = _found(await queries.get_member(tx, member_id))
    left = await queries.get_left(tx, member_id)
    assert left is not None, "both reads see one snapshot or the member was just deleted"
    return MemberDetail(*msgspec.structs.astuple(summary(row)), *msgspec.structs.astuple(left))


async def edit_profile(
    tx: Tx, member_id: UUID, nickname: str, avatar_url: str | None = None
) -> Member:
    """Change nickname (and picture, unless None). Raises BadNickname, MemberNotFound."""
    rules.check_nickname(nickname)
    return shown_member(
        _found(
            await queries.update_profile(
                tx, member_id, nickname, rules.search_key(nickname), avatar_url
            )
        )
    )


async def give_phone(tx: Tx, member_id: UUID, phone: str) -> Member:
    """Keep the phone number that WeChat told us with the member's consent. Raises BadPhone.

    Another record with this number is the same person, unless something speaks against it.
    """
    number = rules.normal_phone(phone)
    # The graph's lock comes before those of members: the order in which log-ins take them.
    await link(tx, member_id, IdentifierKind.PHONE, number, Evidence.PHONE_AUTHORISED)
    row = _found(
        await queries.update_phone(tx, member_id, vault().seal(number), vault().lookup(number))
    )
    emit(tx, PhoneGiven(row.person_no, row.member_id))
    return shown_member(_found(await queries.get_member(tx, await person_of(tx, member_id))))


async def get_phone_key(tx: ReadTx, member_id: UUID) -> bytes | None:
    """The keyed hash of a member's phone number, the same for all who have this number; None: no
    number was given. Raises MemberNotFound."""
    row = _found(await queries.get_member(tx, member_id))
    return None if row.phone_sealed is None else vault().lookup(vault().open(row.phone_sealed))


async def set_level(tx: Tx, actor: Actor, member_id: UUID, level: Level) -> Member:
    """Put a member on a level; a line in the trail says who did."""
    before = _found(await queries.lock_member(tx, member_id))
    if before.level == level:
        return shown_member(before)
    row = _found(await queries.update_level(tx, member_id, level))
    audit(
        tx,
        actor,
        "members.level_changed",
        ("member", member_id),
        before={"level": before.level},
        after={"level": level},
    )
    return shown_member(row)


async def reveal_phone(tx: Tx, actor: Actor, member_id: UUID, reason: str) -> str | None:
    """The phone number in clear, and a line in the trail with the reason."""
    row = _found(await queries.get_member(tx, member_id))
    audit(tx, actor, "members.phone_revealed", ("member", member_id), after={"reason": reason})
    return None if row.phone_sealed is None else vault().open(row.phone_sealed)


async def reveal_addresses(tx: Tx, actor: Actor, member_id: UUID, reason: str) -> list[Address]:
    """The addresses in clear, and a line in the trail with the reason."""
    _found(await queries.get_member(tx, member_id))
    audit(tx, actor, "members.addresses_revealed", ("member", member_id), after={"reason": reason})
    return await list_addresses(tx, member_id)


def _found(row: queries.MemberRow | None) -> queries.MemberRow:
    if row is None:
        raise MemberNotFound
    return row


# --- addresses --------------------------------------------------------------------------------


def _sealed(address_id: UUID, text: AddressText, is_default: bool) -> queries.AddressRow:
    hidden = {field: getattr(text, field) for field in ("receiver", "phone", "district", "detail")}
    sealed = vault().seal(msgspec.json.encode(hidden).decode())
    return queries.AddressRow(address_id, text.province, text.city, sealed, is_default)


def _opened(row: queries.AddressRow) -> Address:
    return Address(
        **_decode(vault().open(row.sealed)),
        province=row.province,
        city=row.city,
        address_id=row.address_id,
        is_default=row.is_default,
    )


async def list_addresses(tx: ReadTx, member_id: UUID) -> list[Address]:
    """A member's addresses in clear, the default one first."""
    return [_opened(row) for row in await queries.list_addresses(tx, member_id)]


async def get_address(tx: ReadTx, member_id: UUID, address_id: UUID) -> Address:
    """One address of this member; raises AddressNotFound, also for another's (F081)."""
    row = await queries.get_address(tx, member_id, address_id)
    if row is None:
        raise AddressNotFound
    return _opened(row)


async def load_for_checkout(tx: ReadTx, member_id: UUID, address_id: UUID | None) -> CheckoutMember:
    """Level and address of a buyer in one trip. Raises MemberNotFound, AddressNotFound (F081)."""
    (found,) = await load_many_for_checkout(tx, [(member_id, address_id)])
    if isinstance(found, SiyuError):
        raise found
    return found


async def load_many_for_checkout(
    tx: ReadTx, buyers: Sequence[tuple[UUID, UUID | None]]
) -> list[CheckoutMember | SiyuError]:
    """The same for many (member, address) at once: for each the buyer, or why there is none."""
    rows = await queries.list_for_checkout(tx, buyers)
    return [_buyer(row, address) for row, (_, address) in zip(rows, buyers, strict=True)]


def _buyer(row: queries.CheckoutRow, address_id: UUID | None) -> CheckoutMember | SiyuError:
    if row.member_id is None or row.person_no is None or row.level is None:
        return MemberNotFound()
    address = None
    if address_id is not None:
        kept = row.address
        if kept is None:
            return AddressNotFound()
        address = _opened(kept)
    return CheckoutMember(row.member_id, row.person_no, row.level, address)


async def add_address(tx: Tx, member_id: UUID, text: AddressText, is_default: bool) -> Address:
    """Keep an address; the first one becomes the default. Raises TooManyAddresses, BadText."""
    text = rules.check_address(text)
    _found(await queries.lock_member(tx, member_id))
    kept = await queries.list_addresses(tx, member_id)
    if len(kept) >= rules.ADDRESSES_MAX:
        raise TooManyAddresses(limit=rules.ADDRESSES_MAX)
    row = _sealed(new_id(), text, is_default or not kept)
    await queries.insert_address(tx, member_id, row, clock.now())
    return _opened(row)


async def edit_address(
    tx: Tx, member_id: UUID, address_id: UUID, text: AddressText, is_default: bool
) -> Address:
    """Rewrite an address of this member. Raises AddressNotFound (F081), BadText, BadPhone."""
    row = _sealed(address_id, rules.check_address(text), is_default)
    _found(await queries.lock_member(tx, member_id))
    if is_default:
        await queries.clear_default(tx, member_id)
    if not await queries.update_address(tx, member_id, row):
        raise AddressNotFound
    return _opened(row)


async def remove_address(tx: Tx, member_id: UUID, address_id: UUID) -> None:
    """Forget an address of this member. Raises AddressNotFound (F081)."""
    if not await queries.delete_address(tx, member_id, address_id):
        raise AddressNotFound


# --- imported history -------------------------------------------------------------------------


async def import_people(tx: Tx, rows: Sequence[ImportRow]) -> dict[str, ImportedMember]:
    """Make members for the customers of a history; those already here are found, not doubled.

    Returns all of them by external_ref. A few statements for any number of rows; when a reference
    stands twice, its earliest row counts. Each new one is told as MemberJoined at its own moment.
    """
    wanted: dict[str, ImportRow] = {}
    for row in sorted(rows, key=lambda row: row.first_seen_at):
        wanted.setdefault(row.external_ref, row)
    last_no = await queries.lock_person_counter(tx)
    found = {row.external_ref: row for row in await import_store.list_imported(tx, list(wanted))}
    fresh = [row for ref, row in wanted.items() if ref not in found]
    if not fresh:
        return found
    nicknames = [
        rules.check_nickname(row.nickname or f"客户{row.external_ref}"[:64]) for row in fresh
    ]
    member_ids = [new_id() for _ in fresh]
    await import_store.insert_imported(
        tx,
        last_no + 1,
        member_ids,
        [row.external_ref for row in fresh],
        nicknames,
        [rules.search_key(nickname) for nickname in nicknames],
        [row.country for row in fresh],
        [row.first_seen_at for row in fresh],
    )
    for person_no, (row, member_id) in enumerate(
        zip(fresh, member_ids, strict=True), start=last_no + 1
    ):
        found[row.external_ref] = ImportedMember(row.external_ref, member_id, person_no)
        emit(tx, MemberJoined(person_no, member_id, "import"), at=row.first_seen_at)
    return found
