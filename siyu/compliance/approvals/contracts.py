"""Nouns of approvals."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from siyu.kernel.errors import Conflict, NotFound
from siyu.kernel.events import Event


class Step(StrEnum):
    """Who signs, in this order."""

    AUTHOR = "author"
    EDITOR = "editor"
    LEGAL = "legal"
    SECOND = "second"
    """Another person than who asks; the only step after the author on the path `second`."""


class Path(StrEnum):
    """strict: three different persons; for politics, medicine and finance. second: who asks, and
    one other person."""

    NORMAL = "normal"
    STRICT = "strict"
    SECOND = "second"


class CaseKind(StrEnum):
    """What is signed."""

    OVERRIDE = "override"
    """A content that breaks a rule; content: {rule_id, content_hash, draft, reason}."""
    CONSENT_TEXT = "consent_text"
    TEMPLATE = "template"
    CAMPAIGN = "campaign"
    CONTENT = "content"
    EXPORT = "export"
    """Rows about people that leave the shop as a file; content: {what, asked, rows, reason}."""


class CaseState(StrEnum):
    """open until the chain is through."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"


class Signoff(msgspec.Struct, frozen=True):
    """A signature under the content with this hash."""

    step: Step
    approved: bool
    content_hash: str
    signed_by: str
    signed_by_name: str
    signed_at: datetime
    note: str


class Case(msgspec.Struct, frozen=True):
    """A content on its way; next_step None: decided."""

    case_id: UUID
    kind: CaseKind
    path: Path
    title: str
    content: dict[str, Any]
    content_hash: str
    state: CaseState
    opened_at: datetime
    decided_at: datetime | None
    signoffs: list[Signoff]
    next_step: Step | None


class ExportLimit(msgspec.Struct, frozen=True):
    """Up to how many rows about people one person may export without a second one."""

    rows: int


class CaseNotFound(NotFound):
    """There is no such case in this shop."""

    code = "approvals.case_not_found"
    zh = "没有找到该审批"
    en = "There is no such approval"


class NotYourStep(Conflict):
    """Another step is next, the case is decided, or the content has changed since it was read."""

    code = "approvals.not_your_step"
    zh = "当前步骤不能签署，请刷新"
    en = "This step cannot be signed now; please reload"


class OtherPersonNeeded(Conflict):
    """Who signed before may not sign this step."""

    code = "approvals.other_person_needed"
    zh = "该步骤需由另一位同事签署"
    en = "Somebody else must sign this step"


class NotSigned(Conflict):
    """This exact content has no complete chain of signatures."""

    code = "approvals.not_signed"
    zh = "该内容尚未通过审批"
    en = "This content has not been signed off"


class SecondApproverNeeded(Conflict):
    """So many rows leave only after another person has signed `case_id`; then ask again."""

    code = "approvals.second_approver_needed"
    zh = "导出 {rows} 行需由另一位同事审批，请在“审批”中签署后重试"
    en = "An export of {rows} rows needs the signature of a second person; then ask again"


class CaseOpened(Event, frozen=True):
    """Somebody asks for signatures."""

    name: ClassVar[str] = "approvals.case_opened"
    case_id: UUID
    kind: str


class CaseDecided(Event, frozen=True):
    """The chain is through, or was broken."""

    name: ClassVar[str] = "approvals.case_decided"
    case_id: UUID
    kind: str
    state: str
