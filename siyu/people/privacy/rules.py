"""What a data map must say, how long things are kept and why, and what an archive holds. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from siyu.people.privacy.contracts import DataMap, Keep, Kind, TableMap, Use, Words

COOL_OFF = timedelta(days=7)
LATEST = timedelta(days=15)
ARCHIVE_LASTS = timedelta(days=7)
TOKEN_LASTS = timedelta(hours=25)
"""A log-in token outlives the erasure by up to a day; what it wrote is erased after that."""


class Basis(msgspec.Struct, frozen=True):
    """Why personal data may be held: in words, and by which article of the law."""

    words: Words
    basis: Words


_CONTRACT = Words("履行合同（个人信息保护法 13 条 2 项）", "Contract (PIPL 13.2)")
_CONSENT = Words("个人同意（个人信息保护法 13 条 1 项）", "Consent (PIPL 13.1)")
_DUTY = Words("法定义务（个人信息保护法 13 条 3 项）", "Legal duty (PIPL 13.3)")

USES: dict[Use, Basis] = {
    Use.ACCOUNT: Basis(Words("账号", "Account"), _CONTRACT),
    Use.TRADE: Basis(Words("交易", "Orders"), _CONTRACT),
    Use.DELIVERY: Basis(Words("配送", "Delivery"), _CONTRACT),
    Use.PAYMENT: Basis(Words("支付与账务", "Payment and books"), _CONTRACT),
    Use.SERVICE: Basis(Words("售后与客服", "Service"), _CONTRACT),
    Use.CONTENT: Basis(Words("评价与晒图", "Reviews"), _CONSENT),
    Use.BEHAVIOUR: Basis(Words("浏览行为", "Behaviour"), _CONSENT),
    Use.MARKETING: Basis(Words("营销", "Marketing"), _CONSENT),
    Use.PROOF: Basis(Words("授权凭证", "Proof of consent"), _DUTY),
    Use.SECURITY: Basis(Words("安全与审计", "Security and trail"), _DUTY),
}

KEEPING: dict[Keep, Words] = {
    Keep.ACCOUNT: Words("至注销账号", "Until the account is erased"),
    Keep.CONSENT: Words("至撤回同意或注销", "Until consent is withdrawn or the account erased"),
    Keep.TRADE: Words(
        "交易完成后 3 年（电子商务法 31 条）", "3 years after the trade (E-Commerce Law 31)"
    ),
    Keep.LEDGER: Words("30 年（会计档案管理办法）", "30 years (Measures on Accounting Archives)"),
    Keep.PROOF: Words("处理结束后 3 年", "3 years after the processing ended"),
    Keep.SECURITY: Words(
        "至少 6 个月（网络安全法 21 条）", "At least 6 months (Cybersecurity Law 21)"
    ),
    Keep.SHORT: Words("数小时至 90 天", "Hours to 90 days"),
}

HIDDEN_FROM_ARCHIVE = frozenset({Kind.HASH, Kind.STAFF})
"""A hash says nothing to its person; who of the staff it was is the staff's own data."""


_TYPES = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif",
    "audio/mpeg": ".mp3", "audio/mp4": ".m4a", "audio/aac": ".aac", "audio/amr": ".amr",
    "audio/ogg": ".ogg", "audio/webm": ".webm", "audio/wav": ".wav",
}  # fmt: skip
_BEGINNINGS = (
    (b"\xff\xd8\xff", ".jpg"), (b"\x89PNG\r\n\x1a\n", ".png"), (b"GIF8", ".gif"),
    (b"ID3", ".mp3"), (b"#!AMR", ".amr"), (b"OggS", ".ogg"), (b"\x1aE\xdf\xa3", ".webm"),
)  # fmt: skip


def ending_of(content: bytes, media_type: str, suffix: str = "") -> str:
    """How the name of a file ends so that its owner can open it: by what is in it, else by what it
    was called or said to be, else `.bin`. media_type: as declared, parameters allowed; may be "".
    """
    for beginning, ending in _BEGINNINGS:
        if content.startswith(beginning):
            return ending
    if content[:4] == b"RIFF" and content[8:12] in (b"WEBP", b"WAVE"):
        return ".webp" if content[8:12] == b"WEBP" else ".wav"
    if content[4:8] == b"ftyp":
        return ".avif" if content[8:12] == b"avif" else ".m4a"
    if content[:1] == b"\xff" and len(content) > 1 and content[1] & 0xE0 == 0xE0:
        # A frame of sound; AAC (ADTS) has no layer where MPEG audio names one.
        return ".aac" if content[1] & 0x06 == 0 else ".mp3"
    return suffix or _TYPES.get(media_type.partition(";")[0].strip().lower(), ".bin")


def load_map(texts: Mapping[str, bytes]) -> DataMap:
    """The map of all tables, from the text of each domain's `data_map.toml`.

    Raises msgspec.ValidationError (unknown words), ValueError (a map that contradicts itself).
    """
    found: DataMap = {}
    for place, text in texts.items():
        for name, table in msgspec.toml.decode(text, type=DataMap).items():
            if wrong := _contradiction(table):
                raise ValueError(f"{place}: {name}: {wrong}")
            found[name] = table
    return found


def _contradiction(table: TableMap) -> str | None:
    if twice := set(table.plain) & set(table.personal):
        return f"plain and personal: {sorted(twice)}"
    is_personal = bool(table.person or table.subject)
    if bool(table.personal) != is_personal:
        return "personal columns need `person` (how rows are found) or `subject`"
    if is_personal and not (table.use and table.keep and table.erase):
        return "use, keep and erase must be said"
    if table.person is None and (table.blocks or table.erase == "rows"):
        return "without `person` no rows of a person are found"
    known = {*table.plain, *table.personal}
    if isinstance(table.erase, dict) and (unknown := set(table.erase) - known):
        return f"erases unknown columns: {sorted(unknown)}"
    return None


def subject_of(table: TableMap) -> str | None:
    """Whose data a table holds: customer, staff, or nobody's."""
    return table.subject or ("customer" if table.person else None)


def shown_columns(table: TableMap) -> list[str]:
    """The columns of a person's rows that go into their archive, and none that say nothing."""
    hidden = {name for name, kind in table.personal.items() if kind in HIDDEN_FROM_ARCHIVE}
    return [name for name in (*table.personal, *table.plain) if name not in hidden | {"shop_id"}]


def readme(shop: str, made_at: str, made_for: str, archive_id: str) -> str:
    """What lies in the archive, in both languages; names who asked for it (the watermark)."""
    return (
        f"# {shop}\n\n"
        f"导出时间 / Made at: {made_at}\n"
        f"申请人 / Made for: {made_for}\n"
        f"编号 / Archive: {archive_id}\n\n"
        "manifest.json  用途、依据、保存期限和行数 / purpose, basis, period, rows per table\n"
        "data/*.json    每张表中与您有关的全部数据 / all rows about you, a file per table\n"
        "events.json    行为事件 / behaviour events\n"
        "files/         您上传的图片和语音 / pictures and voice you uploaded\n\n"
        "含个人信息，请妥善保管 / Contains personal data: keep it safe.\n"
    )


def manifest(
    archive_id: str,
    made_at: str,
    made_for: str,
    tables: Mapping[str, TableMap],
    counts: Mapping[str, int],
) -> dict[str, Any]:
    """The archive's table of contents; every table of persons stands in it, also empty ones."""
    return {
        "archive_id": archive_id,
        "made_at": made_at,
        "made_for": made_for,
        "tables": [
            {
                "table": name,
                "rows": counts[name],
                "purpose": USES[table.use].words if table.use else None,
                "basis": USES[table.use].basis if table.use else None,
                "kept": KEEPING[table.keep] if table.keep else None,
            }
            for name, table in tables.items()
        ],
    }
