"""Bad luck, drawn from the seed: what goes wrong at WeChat, on the way, and in siyu's processes.

It strikes after a number of steps, not at a moment of the clock, so that it meets the others in the
middle of what they do.
"""

import random
from typing import Any

from siyu.app.sim_people import Street
from siyu.app.sim_world import DOWN_SECONDS, World

STEPS_BETWEEN = (30, 500)
MONEY_CALLS = (
    "pay.create",
    "pay.close",
    "pay.query",
    "refund.create",
    "refund.query",
    "sharing.split",
    "sharing.return",
    "sharing.unfreeze",
    "transfer.create",
    "transfer.query",
    "transfer.cancel",
    "shipping.upload",
    "shipping.query",
)

# kind -> (weight, operations, options)
AT_WECHAT: dict[str, tuple[float, tuple[str, ...], dict[str, Any]]] = {
    "system_error": (2, ("*", "refund", "sharing", "transfer", "shipping"), {}),
    "frequency_limited": (1, ("*",), {}),
    "html": (1, ("*",), {}),
    "slow": (1, ("*",), {"seconds": 4}),
    "timeout_after_work": (4, MONEY_CALLS, {"seconds": 40}),
    "bad_signature": (1, ("notify", *MONEY_CALLS), {}),
    "probe": (1, ("notify",), {}),
    "tamper_amount": (1, ("notify", "pay.query"), {"fen": 1}),
    "skewed_time": (1, ("notify",), {"seconds": 900}),
    "drop": (3, ("notify",), {}),
    "delay": (2, ("notify",), {"seconds": 1500}),
    "repeat": (3, ("notify",), {"copies": 3, "together": True}),
    "reorder": (2, ("notify",), {}),
    "refund_abnormal": (1, ("*",), {}),
    "refund_closed": (1, ("*",), {}),
    "share_closed": (1, ("*",), {}),
    "return_failed": (1, ("*",), {}),
    "transfer_failed": (1, ("*",), {}),
    "bill_late": (1, ("*",), {}),
    "bill_broken": (1, ("*",), {}),
    "bill_column": (1, ("*",), {}),
}


class Weather:
    """Whoever it is that breaks things."""

    def __init__(self, street: Street, world: World, seed: int) -> None:
        self.street = street
        self.world = world
        self.dice = random.Random(f"weather {seed}")

    async def rage(self) -> None:
        """Strike again and again."""
        while True:
            await self.street.director.after_steps(self.dice.randint(*STEPS_BETWEEN))
            strike = self.dice.choices(
                [self.at_wechat, self.rotate_keys, self.kill_web, self.kill_worker, self.cut],
                [10, 0.4, 2, 2, 2],
            )[0]
            self.street.score[f"fault {strike.__name__}"] += 1
            self.street.director.note(f"FAULT {strike.__name__}")
            await strike()

    async def at_wechat(self) -> None:
        """Order one fault of the sandbox, for the next few fitting calls."""
        kind = self.dice.choices(list(AT_WECHAT), [one[0] for one in AT_WECHAT.values()])[0]
        _, operations, options = AT_WECHAT[kind]
        self.street.score[f"fault {kind}"] += 1
        await self.street.sandbox.order_fault(
            kind, self.dice.choice(operations), times=self.dice.randint(1, 4), **options
        )

    async def rotate_keys(self) -> None:
        """WeChat signs with a new certificate from now on."""
        await self.street.sandbox.call("POST", "/keys/rotate", {"kind": "certificate"})

    async def kill_web(self) -> None:
        """As by kill -9."""
        await self.world.kill_web(self.dice.uniform(*DOWN_SECONDS))

    async def kill_worker(self) -> None:
        """As by kill -9."""
        await self.world.kill_worker(self.dice.uniform(*DOWN_SECONDS))

    async def cut(self) -> None:
        """One database connection."""
        await self.world.cut_connection(self.dice.choice)
