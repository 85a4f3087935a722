"""What the worker does for staff: forget what ended by itself."""

from siyu.kernel import crypto
from siyu.kernel.db import system_transaction
from siyu.kernel.jobs import every
from siyu.merchant.staff import service


@every("17 * * * *")
async def forget_old() -> None:
    """Delete sessions that ended and attempt counts whose window is over."""
    async with system_transaction() as tx:
        await service.forget_old(tx)


@every("53 19 * * *")
async def reseal() -> None:
    """Seal TOTP secrets anew after a change of keys; 03:53 in China."""
    crypto.refresh()
    await service.reseal_totp()
