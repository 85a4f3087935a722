"""Voice greetings: uploaded by a giver, heard by the giver and by those who open the gift."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from siyu.growth.gifting.contracts import TooManyVoices, Voice, VoiceNotFound
from siyu.growth.gifting.service.recording import read_recording
from siyu.kernel import clock, config
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import ShopId, new_id

MAX_WAITING = 20
KEPT_FOR = timedelta(hours=24)
"""How long a recording waits for its gift."""


class ForgottenVoice(msgspec.Struct, frozen=True):
    """A recording that came into no gift."""

    shop_id: int
    voice_id: UUID


def voice_file(shop_id: int, voice_id: UUID) -> Path:
    """Where a recording lies: never under a public address, and without an ending of its own."""
    return config.settings().data_dir / "voices" / str(shop_id) / str(voice_id)


async def prepare_voice(shop_id: ShopId, raw: bytes) -> Voice:
    """Check an upload and write its file; no transaction is open. Raises VoiceTooLarge, BadVoice.

    A file without a row (`keep_voice` refused) is nobody's, and is never served.
    """
    recording = await asyncio.to_thread(read_recording, raw)
    voice = Voice(new_id(), recording.media_type, len(raw), recording.duration_ms)
    await asyncio.to_thread(_write, voice_file(shop_id, voice.voice_id), raw)
    return voice


def _write(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(raw)
    path.chmod(0o600)


def drop_file(shop_id: int, voice_id: UUID) -> None:
    """Remove the file of a recording; harmless when it is gone."""
    voice_file(shop_id, voice_id).unlink(missing_ok=True)


async def keep_voice(tx: Tx, member_id: UUID, voice: Voice) -> None:
    """Let a member use a prepared recording in a gift. Raises TooManyVoices when 20 wait."""
    done = await tx.run(
        """insert into gifting.voices (shop_id, voice_id, member_id, media_type, size_bytes,
             duration_ms, uploaded_at)
           select $1, $2, $3, $4, $5, $6, $7
           where (select count(*) from gifting.voices
                  where shop_id = $1 and member_id = $3 and gift_id is null) < $8""",
        tx.shop_id,
        voice.voice_id,
        member_id,
        voice.media_type,
        voice.size_bytes,
        voice.duration_ms,
        clock.now(),
        MAX_WAITING,
    )
    if not done:
        raise TooManyVoices(limit=MAX_WAITING)


async def attach_voice(tx: Tx, member_id: UUID, voice_id: UUID, gift_id: UUID) -> None:
    """Put a waiting recording of this member into a gift. Raises VoiceNotFound."""
    moved = await tx.run(
        """update gifting.voices set gift_id = $4
           where shop_id = $1 and voice_id = $2 and member_id = $3 and gift_id is null""",
        tx.shop_id,
        voice_id,
        member_id,
        gift_id,
    )
    if not moved:
        raise VoiceNotFound


async def get_voice(tx: ReadTx, voice_id: UUID) -> Voice:
    """A recording. Raises VoiceNotFound."""
    found = await tx.maybe(
        Voice,
        """select voice_id, media_type, size_bytes, duration_ms from gifting.voices
           where shop_id = $1 and voice_id = $2""",
        tx.shop_id,
        voice_id,
    )
    if found is None:
        raise VoiceNotFound
    return found


async def forget_voices(tx: Tx, before: datetime) -> list[ForgottenVoice]:
    """Delete the rows, of all shops, of recordings made before a moment that are in no gift."""
    return await tx.all(
        ForgottenVoice,
        """delete from gifting.voices where gift_id is null and uploaded_at < $1
           returning shop_id, voice_id""",
        before,
    )


async def forget_member_voices(tx: Tx, member_id: UUID) -> list[ForgottenVoice]:
    """Delete the rows of all recordings of a member; their gifts lose them."""
    await tx.run(
        """update gifting.gifts set voice_id = null where shop_id = $1 and voice_id in (
             select voice_id from gifting.voices where shop_id = $1 and member_id = $2)""",
        tx.shop_id,
        member_id,
    )
    return await tx.all(
        ForgottenVoice,
        """delete from gifting.voices where shop_id = $1 and member_id = $2
           returning shop_id, voice_id""",
        tx.shop_id,
        member_id,
    )
