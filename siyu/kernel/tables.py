"""Tables for people: CSV and XLSX, written as they go and read under guard.

What is written is inert in a spreadsheet (F069). What is read was judged first: no more bytes than
allowed when unpacked, no document type in any XML (F070), no overlong parts; nothing of an archive
is ever written to disk under a name of its own.
"""

import contextlib
import csv
import gzip
import io
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile
from zoneinfo import ZoneInfo

from siyu.kernel.errors import BadInput

Cell = str | int | Decimal
Batches = AsyncIterator[list[list[Cell]]]
MEDIA_TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
SHEET_ROWS = 1_048_576


class TableRefused(BadInput):
    """This file is not read. `why`: not_a_table, empty, too_large, bomb, document_type, broken."""

    code = "tables.refused"
    zh = "无法读取这个文件，请使用未加密的 CSV 或 XLSX"
    en = "The file cannot be read: use CSV or XLSX without a password"


# --- writing ----------------------------------------------------------------------------------

_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")


def inert(text: str) -> str:
    """Text that no spreadsheet takes for a formula (F069, ASVS V1.2.10)."""
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def local(at: datetime | None, zone: ZoneInfo) -> str:
    """A moment as people of this zone read it; empty for none."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") if at else ""


def major(amount_fen: int) -> Decimal:
    """Yuan (major units) for a spreadsheet's cell, exactly; nothing is computed with it."""
    return Decimal(amount_fen).scaleb(-2)


async def write_csv(header: Sequence[str], batches: Batches) -> AsyncIterator[bytes]:
    """CSV in UTF-8 with the mark that makes Excel read it as such."""
    yield b"\xef\xbb\xbf"
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(header)
    async for rows in batches:
        writer.writerows(rows)
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


async def write_xlsx(
    header: Sequence[str], batches: Batches, title: str = "orders"
) -> AsyncIterator[bytes]:
    """XLSX, written as it goes: the usual libraries keep the whole book until its end, and take
    minutes for a history of years. Sheets are as long as Excel allows."""
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_DEFLATED, compresslevel=1) as book:
        sheets = 0
        sheet: IO[bytes] | None = None
        left = 0
        async for rows in batches:
            if sheet is None or left < len(rows):
                if sheet is not None:
                    _end_sheet(sheet)
                sheets, left = sheets + 1, SHEET_ROWS - 1
                sheet = book.open(f"xl/worksheets/sheet{sheets}.xml", "w", force_zip64=True)
                sheet.write(_SHEET_HEAD + _xml_row(header))
            left -= len(rows)
            sheet.write(b"".join(map(_xml_row, rows)))
            yield sink.take()
        assert sheet is not None, "there is always a batch, if only an empty one"
        _end_sheet(sheet)
        for name, text in _book_parts(sheets, title).items():
            book.writestr(name, text)
    yield sink.take()


class _Sink(io.RawIOBase):
    """Where the archive is written to, taken away piece by piece; it cannot go back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


_SHEET_HEAD = (
    b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
)
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def _end_sheet(sheet: IO[bytes]) -> None:
    sheet.write(b"</sheetData></worksheet>")
    sheet.close()


def _xml_row(row: Sequence[Cell]) -> bytes:
    cells = [
        f'<c t="inlineStr"><is><t xml:space="preserve">{_xml_text(cell)}</t></is></c>'
        if isinstance(cell, str)
        else f"<c><v>{cell}</v></c>"
        for cell in row
    ]
    return f"<row>{''.join(cells)}</row>".encode()


def _xml_text(text: str) -> str:
    # A bare carriage return would be read as a line feed.
    return escape(_NOT_XML.sub("", text), {"\r": "&#13;"})


def _book_parts(sheets: int, title: str) -> dict[str, str]:
    """The parts around the sheets (ECMA-376, part 1, chapter 12)."""
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    numbers = range(1, sheets + 1)
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kind}.worksheet+xml"/>'
        for n in numbers
    )
    names = "".join(f'<sheet name="{title} {n}" sheetId="{n}" r:id="r{n}"/>' for n in numbers)
    links = "".join(
        f'<Relationship Id="r{n}" Type="{office}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in numbers
    )
    return {
        "xl/workbook.xml": f'{head}<workbook xmlns="{main}" xmlns:r="{office}">'
        f"<sheets>{names}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'{head}<Relationships xmlns="{package}/relationships">'
        f"{links}</Relationships>",
        "_rels/.rels": f'{head}<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/>'
        "</Relationships>",
        "[Content_Types].xml": f'{head}<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f"{types}</Types>",
    }


# --- judging ----------------------------------------------------------------------------------

MAX_ENTRIES = 20_000
MAX_PART = 256 * 1024 * 1024
MAX_STRINGS = 48 * 1024 * 1024
"""Unpacked bytes of a book's shared strings, the one part that is held in memory."""
_PIECE = 256 * 1024


class _DocumentType(Exception):
    """An XML part brings a document type along."""


def _no_document_type(*_: object) -> None:
    raise _DocumentType


def check_book(file: Path, *, most_bytes: int) -> None:
    """Read an XLSX through once, keeping nothing; raises TableRefused.

    most_bytes: of all its parts, unpacked. The declared sizes are what is counted: an archive that
    lies about them ends with a wrong checksum. No XML part may have a document type, so that no
    parser behind this one ever sees an entity.
    """
    try:
        with ZipFile(file) as book:
            entries = book.infolist()
            if len(entries) > MAX_ENTRIES or sum(e.file_size for e in entries) > most_bytes:
                raise TableRefused(why="bomb")
            for entry in entries:
                name = entry.filename.lower()
                if entry.file_size > (MAX_STRINGS if "sharedstrings" in name else MAX_PART):
                    raise TableRefused(why="bomb")
                if name.endswith((".xml", ".rels", ".vml")):
                    with book.open(entry) as part:
                        check_xml(part)
    except _BROKEN:
        raise TableRefused(why="broken") from None


def check_xml(part: IO[bytes]) -> None:
    """Parse an XML part without keeping anything; raises TableRefused."""
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _no_document_type
    try:
        while piece := part.read(_PIECE):
            parser.Parse(piece)
        parser.Parse(b"", True)
    except _DocumentType:
        raise TableRefused(why="document_type") from None
    except expat.ExpatError:
        raise TableRefused(why="broken") from None


_BROKEN = (
    OSError, EOFError, BadZipFile, KeyError, ValueError, RuntimeError, zlib.error, csv.Error,
)  # fmt: skip
"""What a file that ends early, lies, or is locked makes its readers raise."""


# --- reading ----------------------------------------------------------------------------------

MAX_COLUMNS = 100


class Rows(NamedTuple):
    """Rows of an open table with their line numbers, from 1, the header first."""

    rows: Iterator[tuple[int, Sequence[str]]]
    position: Callable[[], int]
    """Bytes of the file read so far, for a progress bar."""


@contextlib.contextmanager
def open_rows(file: Path, most_rows: int | None = None) -> Iterator[Rows]:
    """Open CSV in any usual form, or XLSX (the first sheet), either of them in gzip.

    most_rows: where to stop. Nothing is judged here: that is `check_book`. Errors of the readers
    (`broken` makes refusals of them) come up while rows are taken.
    """
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(file.open("rb"))
        magic = raw.read(4)
        raw.seek(0)
        plain: Any = raw
        if magic[:2] == b"\x1f\x8b":
            plain = stack.enter_context(gzip.GzipFile(fileobj=raw))
            magic = plain.read(4)
            plain.seek(0)
        if magic == b"PK\x03\x04":
            yield Rows(_xlsx_rows(plain, stack, most_rows), raw.tell)
        else:
            yield Rows(_csv_rows(plain, most_rows), raw.tell)


@contextlib.contextmanager
def broken() -> Iterator[None]:
    """Make a refusal of whatever the readers raise over a broken file."""
    try:
        yield
    except _BROKEN as error:
        raise TableRefused(why="broken", reason=str(error)[:200]) from None


def _csv_rows(file: IO[bytes], most_rows: int | None) -> Iterator[tuple[int, Sequence[str]]]:
    sample = file.read(256 * 1024)
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=_encoding(sample), newline="")
    head = sample.partition(b"\n")[0]
    delimiter = max(",;\t|", key=lambda mark: head.count(mark.encode()))
    reader = csv.reader(text, delimiter=delimiter)
    for count, row in enumerate(reader):
        if count == most_rows:
            return
        yield reader.line_num, row


def _encoding(sample: bytes) -> str:
    """UTF-8, or what Chinese Windows writes."""
    try:
        # A character may be cut at the end of the sample, but not before it.
        sample.decode("utf-8") if len(sample) < 256 * 1024 else sample[:-4].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(sample) - 8:
            return "gb18030"
    return "utf-8-sig"


def _xlsx_rows(
    file: IO[bytes], stack: contextlib.ExitStack, most_rows: int | None
) -> Iterator[tuple[int, Sequence[str]]]:
    from openpyxl import load_workbook  # 10 MB that most processes never need

    book = load_workbook(file, read_only=True, data_only=True)
    stack.callback(book.close)
    sheet = book.worksheets[0]
    sheet.reset_dimensions()  # a declared width of 16,384 columns would be filled up in each row
    rows = sheet.iter_rows(values_only=True, max_row=most_rows, max_col=MAX_COLUMNS)
    width = 0
    for line_no, row in enumerate(rows, start=1):
        if not width:  # of the header; what stands beside it is nobody's column
            width = max((at for at, value in enumerate(row, 1) if value is not None), default=0)
        yield line_no, [_cell_text(value) for value in row[:width]]


def _cell_text(value: Any) -> str:
    """A cell as it would stand in a CSV; repr of a number is its shortest exact form."""
    if value is None:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return str(value)
