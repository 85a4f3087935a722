"""Somebody in a simulation: a phone, a browser and bad luck. Everything goes through HTTP.

An actor repeats what was lost as a good client does: the same request under the same key. What a
client may never see (an error of ours, another answer under the same key) is a problem, and ends
the run.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import msgspec

from siyu.app.sim_loop import Director
from siyu.app.sim_shop import Shop
from siyu.app.sim_world import Courier, Lost
from siyu.sandbox.client import SandboxClient

TRIES = 6
LONG = 600.0  # seconds; whoever waits longer has put the phone away
REPLAYS = 0.04  # how often a request that was answered is sent once more


class GaveUp(Exception):
    """The person has no patience left; what became of the request is unknown."""


class Problem(Exception):
    """What a client may never see."""


class Answer(msgspec.Struct, frozen=True):
    """What the shop said."""

    status: int
    data: Any

    @property
    def is_good(self) -> bool:
        """Whether it was done."""
        return self.status < 300

    @property
    def code(self) -> str:
        """The stable code of a refusal."""
        return "" if self.is_good else str(self.data["error"]["code"])


class Street:
    """What all actors share. `score` counts what happened; `problems` what must not."""

    def __init__(
        self,
        shop: Shop,
        http: httpx.AsyncClient,
        sandbox: SandboxClient,
        director: Director,
        courier: Courier,
        seed: int,
    ) -> None:
        self.shop = shop
        self.http = http
        self.sandbox = sandbox
        self.director = director
        self.courier = courier
        self.score: Counter[str] = Counter()
        self.problems: list[str] = []
        self.is_closing = False
        self.busy = 0
        self.came = asyncio.Event()
        """Somebody is busy."""
        self.codes: list[str] = []
        """Pick-up codes that buyers show at the counter."""
        self.people: list[Any] = []
        """All members, who know each other."""
        self.promoters: list[Any] = []
        """Members who earn by bringing customers."""
        self.cashier: Any = None
        """The clerk who takes cash."""
        self.dice = random.Random(f"street {seed}")
        self._deck: list[Any] = []

    def draw(self, habits: dict[Any, int], can: Callable[[Any], bool]) -> Any:
        """The next of all that people do here and that this one can: a shuffled deck, so that
        nothing is left out for long, and in a run of a day each thing is done.
        """
        if not any(map(can, self._deck)):
            self._deck = [habit for habit, cards in habits.items() for _ in range(cards)]
            self.dice.shuffle(self._deck)
        habit = next(filter(can, self._deck))
        self._deck.remove(habit)
        return habit

    @contextlib.contextmanager
    def busy_with(self, count: int = 1) -> Iterator[None]:
        """So many more are busy meanwhile."""
        self._are_busy(count)
        try:
            yield
        finally:
            self._are_busy(-count)

    def _are_busy(self, more: int) -> None:
        self.busy += more
        if self.busy:
            self.came.set()
        else:
            self.came.clear()


class Actor:
    """Somebody with dice of their own."""

    prefix = "/shop/v1"

    def __init__(self, street: Street, name: str, seed: str) -> None:
        self.street = street
        self.name = name
        self.dice = random.Random(f"{seed} {name}")

    def chance(self, share: float) -> bool:
        """True this often."""
        return self.dice.random() < share

    def new_key(self) -> str:
        """An idempotency key."""
        return str(UUID(int=self.dice.getrandbits(128), version=4))

    async def think(self, least: float, most: float) -> None:
        """Let simulated seconds pass."""
        seconds = self.dice.uniform(least, most)
        if seconds < LONG:
            await asyncio.sleep(seconds)
        else:
            with self.street.busy_with(-1):
                await asyncio.sleep(seconds)

    def headers(self) -> dict[str, str]:
        """Who asks."""
        return {"X-Siyu-Shop": self.street.shop.code}

    async def ask(
        self, method: str, path: str, body: Any = None, *, key: str | None = None
    ) -> Answer:
        """One request, repeated under the same key while it is lost or the shop is not there.

        Raises GaveUp when patience ends.
        """
        headers = self.headers() | {"Idempotency-Key": key or self.new_key()}
        for _ in range(TRIES):
            answer = await self._try(method, path, body, headers)
            if answer is not None:
                if self.chance(REPLAYS) and answer.is_good and "pay" not in path:
                    await self._replay(method, path, body, headers, answer)
                return answer
            await self.think(0.5, 8)
        raise GaveUp(path)

    async def _try(
        self, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> Answer | None:
        try:
            answer = await self.street.http.request(
                method, self.prefix + path, json=body, headers=headers
            )
        except Lost:
            self.street.score["lost"] += 1
            return None
        data = answer.json() if answer.content else None
        if answer.status_code == 503 or self._still_runs(data):
            self.street.score["busy"] += 1
            return None
        if answer.status_code >= 500:
            self.street.problems.append(
                f"{self.name}: {method} {path} was answered {answer.status_code}: {data}"
            )
            raise Problem(path)
        return Answer(answer.status_code, data)

    def _still_runs(self, data: Any) -> bool:
        return isinstance(data, dict) and _code(data) == "idempotency.still_running"

    async def _replay(
        self, method: str, path: str, body: Any, headers: dict[str, str], first: Answer
    ) -> None:
        if method != "POST":
            return
        self.street.score["replayed"] += 1
        again = await self._try(method, path, body, headers)
        if again is not None and self.repeats_alike(path) and again != first:
            self.street.problems.append(
                f"{self.name}: {method} {path} answered another thing under the same key:"
                f" {first} then {again}"
            )
            raise Problem(path)

    def repeats_alike(self, path: str) -> bool:
        """Whether this request keeps its answer under its key."""
        return path == "/orders" or path.endswith("/cancel")


def _code(data: dict[str, Any]) -> str:
    error = data.get("error")
    return str(error.get("code", "")) if isinstance(error, dict) else ""
