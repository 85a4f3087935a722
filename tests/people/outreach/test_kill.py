"""A sender that is really killed (SIGKILL) in the middle of a mass send."""

import asyncio
import json
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from siyu.kernel import clock, config
from siyu.kernel.db import Database, transaction
from siyu.kernel.ids import ShopId
from siyu.people.outreach import service
from tests.people.outreach import kit
from tests.people.outreach.test_sending import holds, ready

PEOPLE = 60
WORKER = """
import asyncio, sys
from pathlib import Path
from uuid import UUID
from siyu.kernel import config, crypto, db
from siyu.kernel.ids import ShopId
from siyu.people.outreach import service
from siyu.people.outreach.service.channels import sms

class Slow(sms.FileProvider):
    async def send(self, parcel):
        await asyncio.sleep(0.05 * (parcel.number.int % 7))
        return await super().send(parcel)

async def main():
    url, data_dir, shop_id, campaign_id = sys.argv[1:]
    settings = config.Settings(data_dir=Path(data_dir), public_url="https://shop.test")
    config.use(settings)
    crypto.use(crypto.load_vault(settings.key_file))
    db.use(await db.Database.connect(url, size=6))
    service.use_provider(Slow())
    await service.run_campaign(ShopId(int(shop_id)), UUID(campaign_id))

asyncio.run(main())
"""


def sent() -> list[str]:
    folder = config.settings().data_dir / "sms"
    lines = [line for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()]
    return [json.loads(line)["number"] for line in lines]


async def test_kill_9_in_the_middle_and_nothing_is_sent_twice(
    shop: ShopId, database: Database
) -> None:
    persons, template_id = await ready(shop, PEOPLE)
    campaign_id = await kit.campaign(shop, template_id, persons)
    before = len(sent())
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, database.url, str(config.settings().data_dir), str(shop),
        str(campaign_id), env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    while len(sent()) < before + PEOPLE // 4:
        await asyncio.sleep(0.005)
        assert child.returncode is None, "the sender was to be killed, not to fail"
    child.send_signal(signal.SIGKILL)
    await child.wait()
    out = len(sent()) - before
    assert PEOPLE // 4 <= out < PEOPLE, "in the middle"
    with clock.turned(clock.now() + timedelta(minutes=3)):
        while await service.settle_lost(shop):
            pass
        await service.run_campaign(shop, campaign_id)
    numbers = sent()[before:]
    assert len(numbers) == len(set(numbers)) == PEOPLE
    async with transaction(shop) as tx:
        assert (await service.get_campaign(tx, campaign_id)).state == "done"
    await holds(shop)
