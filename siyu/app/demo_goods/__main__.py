"""`python -m siyu.app.demo_goods SHOP_ID`: fill a shop, in a process whose memory ends with it."""

import asyncio
import sys

from siyu.app.demo_goods import load
from siyu.app.processes import program_database
from siyu.kernel import config
from siyu.kernel.ids import ShopId


async def main(shop_id: ShopId) -> None:
    """Fill the shop of the installation that the environment names."""
    async with program_database(config.settings(), size=4):
        await load(shop_id)


asyncio.run(main(ShopId(int(sys.argv[1]))))
