"""SMS through whichever provider the installation has; without one, into a file per day.

class Acme:
    async def send(self, parcel: Parcel) -> Answer: ...
    async def find(self, number: UUID) -> Answer | None: ...

use_provider(Acme())
"""

import asyncio
from pathlib import Path
from typing import Protocol
from uuid import UUID

import msgspec

from siyu.kernel import clock, config
from siyu.people.outreach.contracts import Answer, Parcel, Sent

FILE_DAYS = 8
"""How many days of files are looked through for a message of which nothing was heard."""


class Provider(Protocol):
    """Whoever brings text messages to phones."""

    async def send(self, parcel: Parcel) -> Answer:
        """Send rendered.text to the phone in address, under our own number."""

    async def find(self, number: UUID) -> Answer | None:
        """What became of a message; None: the provider never got it."""


class _Line(msgspec.Struct, frozen=True):
    number: UUID
    at: str
    phone: str
    text: str


class FileProvider:
    """Writes each message as a line of JSON: to try everything without a contract, and for tests.

    The folder is readable by its owner only: phone numbers and words stand in it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def _place(self) -> Path:
        return self._folder or config.settings().data_dir / "sms"

    async def send(self, parcel: Parcel) -> Answer:
        """Append a line; it is on the disk when this returns."""
        now = clock.now()
        line = _Line(parcel.number, now.isoformat(), parcel.address, parcel.rendered.text)
        await asyncio.to_thread(self._append, f"{now:%Y-%m-%d}.jsonl", line)
        return Sent(str(parcel.number))

    def _append(self, name: str, line: _Line) -> None:
        folder = self._place()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / name).open("ab", buffering=0) as file:
            file.write(msgspec.json.encode(line) + b"\n")

    async def find(self, number: UUID) -> Answer | None:
        """Look for the number in the files of the last days."""
        return await asyncio.to_thread(self._find, number)

    def _find(self, number: UUID) -> Answer | None:
        wanted = str(number).encode()
        for file in sorted(self._place().glob("*.jsonl"), reverse=True)[:FILE_DAYS]:
            if wanted in file.read_bytes():
                return Sent(str(number))
        return None


_provider: Provider = FileProvider()


def use_provider(provider: Provider) -> None:
    """Have messages go through another provider from now on, in this process."""
    global _provider
    _provider = provider


async def send(parcel: Parcel) -> Answer:
    """Send through the provider in use."""
    return await _provider.send(parcel)


async def find(number: UUID) -> Answer | None:
    """Ask the provider in use what became of a message."""
    return await _provider.find(number)
