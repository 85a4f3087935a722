"""Files of a task: where they lie, how they come in, and the pictures in and beside a table."""

import posixpath
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO
from uuid import UUID
from xml.etree import ElementTree  # parts are read only after check_book found no document type
from zipfile import BadZipFile, ZipFile, ZipInfo

from siyu.commerce.bulk import rules
from siyu.commerce.bulk.contracts import (
    MAX_LINES,
    MAX_PICTURE_ZIP,
    MAX_UNPACKED,
    NotPictures,
    TableFormat,
    Task,
)
from siyu.commerce.bulk.rules import Line
from siyu.commerce.catalog.service import MAX_UPLOAD
from siyu.kernel import config
from siyu.kernel.tables import TableRefused, broken, check_book, open_rows

SAMPLE_ROWS = 5
MAX_PICTURES = 20_000
_PICTURE = re.compile(r"\.(jpe?g|png|webp|gif)$", re.IGNORECASE)
_UNPACK_ERRORS = (OSError, EOFError, BadZipFile, KeyError, ValueError, RuntimeError, zlib.error)


def folder(shop_id: int) -> Path:
    """Where a shop's files of bulk work lie: private, never under a public address."""
    return config.settings().data_dir / "bulk" / str(shop_id)


def table_file(shop_id: int, task_id: UUID) -> Path:
    """The table that was uploaded."""
    return folder(shop_id) / f"{task_id}.table"


def pictures_file(shop_id: int, task_id: UUID) -> Path:
    """The pictures that were uploaded with it."""
    return folder(shop_id) / f"{task_id}.zip"


def result_file(shop_id: int, task_id: UUID) -> Path:
    """The table that was written."""
    return folder(shop_id) / f"{task_id}.out"


def drop_files(shop_id: int, task_id: UUID) -> None:
    """Throw away the files of a task; harmless when they are gone."""
    for where in (table_file, pictures_file, result_file):
        where(shop_id, task_id).unlink(missing_ok=True)


def keep(file: IO[bytes], target: Path, most: int) -> int:
    """Copy an upload piece by piece; its size. Raises TableRefused above `most`."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = target.with_suffix(".part" + target.suffix)
    size = 0
    try:
        with part.open("wb") as out:
            while piece := file.read(1 << 20):
                size += len(piece)
                if size > most:
                    raise TableRefused(why="too_large")
                out.write(piece)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return size


def file_name(name: str | None) -> str:
    """A name as it can be shown: the last part, without what nobody sees."""
    last = re.split(r"[\\/]", name or "")[-1]
    shown = "".join(char for char in last if char.isprintable()).strip()
    return shown[-200:] or "table"


def look_at(path: Path) -> tuple[TableFormat, list[str], list[list[str]]]:
    """Judge a table: its form, its header and its first rows. Raises TableRefused."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic[:2] == b"\x1f\x8b" or magic == b"\xd0\xcf\x11\xe0":
        raise TableRefused(why="not_a_table")  # packed or locked: unpack it, save it as XLSX
    form = TableFormat.XLSX if magic == b"PK\x03\x04" else TableFormat.CSV
    if form is TableFormat.XLSX:
        check_book(path, most_bytes=MAX_UNPACKED)
    with broken(), open_rows(path, SAMPLE_ROWS + 1) as opened:
        _, header = next(opened.rows, (0, []))
        titles = [str(title).strip()[:100] for title in header]
        if not any(titles):
            raise TableRefused(why="empty")
        return form, titles, [[cell[:200] for cell in row] for _, row in opened.rows]


def lines_of(path: Path, task: Task) -> Iterator[Line]:
    """The lines of a judged table. Raises TableRefused where it breaks, or is too long."""
    with broken(), open_rows(path, MAX_LINES + 2) as opened:
        for count, (line_no, row) in enumerate(opened.rows):
            if count > MAX_LINES:
                raise TableRefused(why="too_many_lines")
            if count:
                yield from rules.read_lines([(line_no, row)], task.mapping)


# --- pictures ---------------------------------------------------------------------------------


def check_pictures(path: Path) -> int:
    """Judge a ZIP of pictures; how many there are. Raises NotPictures."""
    try:
        with ZipFile(path) as book:
            entries = book.infolist()
    except _UNPACK_ERRORS:
        raise NotPictures(why="broken") from None
    pictures = [entry for entry in entries if _PICTURE.search(_name(entry))]
    if len(entries) > MAX_PICTURES or sum(e.file_size for e in entries) > MAX_PICTURE_ZIP:
        raise NotPictures(why="bomb")
    if not pictures:
        raise NotPictures(why="empty")
    return len(pictures)


def _name(entry: ZipInfo) -> str:
    """A name in an archive; Chinese Windows writes GBK and says nothing of it."""
    if entry.flag_bits & 0x800:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("gb18030")
    except UnicodeError:
        return entry.filename


class PictureSource:
    """The pictures that come with a table: in a ZIP by name, in the book by line."""

    def __init__(self, task: Task, table: Path, pictures: Path) -> None:
        self._zip = ZipFile(pictures) if task.has_pictures else None
        self._book = ZipFile(table) if task.format is TableFormat.XLSX else None
        self._by_name: dict[str, ZipInfo | None] = {}
        for entry in self._zip.infolist() if self._zip else []:
            path = _name(entry).replace("\\", "/").lower()
            # A bare name that stands in two folders means neither of them.
            last = posixpath.basename(path)
            self._by_name[last] = None if last in self._by_name else entry
            self._by_name.setdefault(path, entry)
        self._by_line = anchored_pictures(self._book) if self._book else {}

    def close(self) -> None:
        """Close the archives."""
        for archive in (self._zip, self._book):
            if archive:
                archive.close()

    def named(self, name: str) -> bytes | None:
        """The picture of this name; None where there is none."""
        entry = self._by_name.get(name.replace("\\", "/").strip("/").lower())
        return _read(self._zip, entry) if self._zip and entry else None

    def beside(self, line_no: int) -> list[bytes | None]:
        """The pictures placed in a line of the book, from the left; None: one that breaks."""
        book = self._book
        return [_read(book, name) for name in self._by_line.get(line_no, [])] if book else []


def _read(archive: ZipFile, entry: ZipInfo | str) -> bytes | None:
    try:
        info = archive.getinfo(entry) if isinstance(entry, str) else entry
        return archive.read(info) if info.file_size <= MAX_UPLOAD else None
    except _UNPACK_ERRORS:
        return None


_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing}"
_BLIP = "{http://schemas.openxmlformats.org/drawingml/2006/main}blip"
_EMBED = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}embed"


def anchored_pictures(book: ZipFile) -> dict[int, list[str]]:
    """Parts with the pictures of the first sheet by line, from the left (ECMA-376, 20.5)."""
    sheet = _first_sheet(book)
    found: list[tuple[int, int, str]] = []
    for kind, drawing in _targets(book, sheet).values():
        if not kind.endswith("/drawing"):
            continue
        media = _targets(book, drawing)
        for anchor in _parse(book, drawing):
            start, blip = anchor.find(f"{_DRAWING}from"), anchor.find(f".//{_BLIP}")
            if start is None or blip is None:
                continue
            row = start.findtext(f"{_DRAWING}row") or "0"
            column = start.findtext(f"{_DRAWING}col") or "0"
            _, part = media.get(blip.get(_EMBED, ""), ("", ""))
            if part and row.isdigit() and column.isdigit():
                found.append((int(row) + 1, int(column), part))
    by_line: dict[int, list[str]] = {}
    for line_no, _, part in sorted(found):
        by_line.setdefault(line_no, []).append(part)
    return by_line


def _first_sheet(book: ZipFile) -> str:
    sheets = _parse(book, "xl/workbook.xml").iter(
        "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}sheet"
    )
    name = next((s.get(_EMBED.replace("}embed", "}id"), "") for s in sheets), "")
    return _targets(book, "xl/workbook.xml").get(name, ("", ""))[1]


def _targets(book: ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """What a part points at inside the book: id -> (kind, part)."""
    where, name = posixpath.split(part)
    found = {}
    for one in _parse(book, f"{where}/_rels/{name}.rels"):
        target = one.get("Target", "")
        if one.get("TargetMode") != "External":
            path = target.lstrip("/") if target.startswith("/") else f"{where}/{target}"
            found[one.get("Id", "")] = (one.get("Type", ""), posixpath.normpath(path))
    return found


def _parse(book: ZipFile, part: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(book.read(part))
    except (*_UNPACK_ERRORS, ElementTree.ParseError):
        return ElementTree.Element("nothing")


def parts_of(line: Line) -> Sequence[str]:
    """The pictures a line names."""
    return rules.read_list("pictures", line.cells.get("pictures", ""), 20, 200)
