"""What the worker runs for consents."""

from siyu.compliance.approvals.contracts import CaseDecided, CaseKind, CaseState
from siyu.kernel.db import Tx
from siyu.people.consents import service


async def on_case_decided(tx: Tx, event: CaseDecided) -> None:
    """New words that were signed come into force."""
    if (event.kind, event.state) == (CaseKind.CONSENT_TEXT, CaseState.APPROVED):
        await service.publish_signed(tx, event.case_id)
