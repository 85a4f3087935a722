"""What the worker runs for members."""

from siyu.kernel.db import Tx
from siyu.people.members import service
from siyu.people.members.contracts import MembersMerged, MergeUndone


async def on_members_merged(tx: Tx, event: MembersMerged) -> None:
    """Addresses follow to who stands for the person."""
    await service.follow(tx, "members.addresses", event.record_ids)


async def on_merge_undone(tx: Tx, event: MergeUndone) -> None:
    """Addresses go home."""
    await service.follow(tx, "members.addresses", event.record_ids)
