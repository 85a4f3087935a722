"""The one way a call goes out: limited, signed anew per try, repeated in a budget, measured."""

import asyncio
import contextlib
import email.utils
import logging
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TypeVar
from weakref import WeakKeyDictionary

import httpx
from prometheus_client import Counter, Gauge, Histogram

from siyu import __version__
from siyu.kernel import clock
from siyu.wechat.transport import rules
from siyu.wechat.transport.contracts import Answer, Call, Retry, WeChatError

T = TypeVar("T")

log = logging.getLogger(__name__)
# httpx logs whole URLs, and theirs carry access tokens and secrets.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

_CALLS = Counter("siyu_wechat_calls_total", "Tries of calls to WeChat", ["api", "outcome"])
_SECONDS = Histogram("siyu_wechat_call_seconds", "Time of one try", ["api"])
_SKEW = Gauge("siyu_wechat_clock_skew_seconds", "WeChat's clock minus ours")

SKEW_ALARM_SECONDS = 30.0
_TIMEOUT = httpx.Timeout(10.0, connect=3.0)
_AT_ONCE = 100
_HEADERS = {"User-Agent": f"siyu/{__version__}", "Accept": "application/json, */*"}
"""What is said unless the call says it otherwise, in the same letters."""
_BREAK_AFTER, _BREAK_SECONDS = 8, 10.0
_OURS = frozenset({"CIRCUIT_OPEN", "LOCAL_LIMIT"})  # refused by ourselves: no use in insisting


class _Lane:
    """State of one (account, API): a token bucket, a breaker, and how long WeChat asked to wait."""

    def __init__(self, per_second: float) -> None:
        self.rate = per_second
        self.tokens = max(per_second, 1.0)
        self.filled_at = clock.monotonic()
        self.failures = 0
        self.closed_until = 0.0

    def wait_seconds(self) -> float:
        """Take a token; returns how long to wait before using it."""
        now = clock.monotonic()
        self.tokens = min(max(self.rate, 1.0), self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now
        self.tokens -= 1.0
        return 0.0 if self.tokens >= 0 else -self.tokens / self.rate

    def give_back(self) -> None:
        self.tokens += 1.0


class _Budget:
    """Repeats are at most a tenth of the calls (and ten at once): a sick WeChat is not stormed."""

    def __init__(self) -> None:
        self.left = 10.0

    def called(self) -> None:
        self.left = min(10.0, self.left + 0.1)

    def may_repeat(self) -> bool:
        if self.left < 1.0:
            return False
        self.left -= 1.0
        return True


_lanes: dict[tuple[str, str, str], _Lane] = {}
_budgets: dict[str, _Budget] = {}
_skew: dict[str, float] = {}


class _Network:
    """The connections of a loop; the one last used is the next.

    Each is a pool of its own, for a pool of httpx asks all its idle connections at every call
    whether they still stand: of a mass send, most of the time.
    """

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(_AT_ONCE)
        self.free: list[httpx.AsyncBaseTransport] = []
        self.only: httpx.AsyncBaseTransport | None = None
        self._ssl = httpx.create_ssl_context(trust_env=False)

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """A transport of httpx without its client: no proxies of the environment, which are not
        for secrets, and no redirects, which would carry them elsewhere."""
        async with self.slots:
            if self.only is not None:
                yield self.only
                return
            taken = (
                self.free.pop()
                if self.free
                else httpx.AsyncHTTPTransport(verify=self._ssl, trust_env=False)
            )
            try:
                yield taken
            finally:
                self.free.append(taken)


_networks: WeakKeyDictionary[asyncio.AbstractEventLoop, _Network] = WeakKeyDictionary()


def _network() -> _Network:
    loop = asyncio.get_running_loop()
    return _networks.get(loop) or _networks.setdefault(loop, _Network())


def use_network(network: httpx.AsyncBaseTransport) -> None:
    """Have the calls of this loop go another way: a simulation, with WeChat in the same process."""
    _network().only = network


@contextlib.asynccontextmanager
async def _exchange(
    method: str, url: str, headers: Mapping[str, str], content: bytes | None
) -> AsyncIterator[httpx.Response]:
    """Send a request; the answer's head, to be read inside the block."""
    request = httpx.Request(
        method,
        url,
        headers={**_HEADERS, **headers},
        content=content,
        extensions={"timeout": httpx.Timeout(_TIMEOUT).as_dict()},
    )
    async with _network().connection() as connection:
        response = await connection.handle_async_request(request)
        async with contextlib.aclosing(response):
            yield response


async def close() -> None:
    """Close this loop's connections; called once when a process ends."""
    network = _networks.pop(asyncio.get_running_loop(), None)
    if network is not None:
        for one in [network.only, *network.free]:
            if one is not None:
                await one.aclose()


def skew_seconds(base_url: str) -> float | None:
    """WeChat's clock minus ours as its last answer showed it; None before the first (F020)."""
    return _skew.get(base_url)


async def check_clock(base_url: str) -> float | None:
    """Ask for WeChat's time and alarm when ours is off by more than 30 s; None: no answer."""
    try:
        async with _exchange("HEAD", base_url + "/", {}, None) as response:
            return _note_skew(base_url, response.headers, alarm=True)
    except httpx.HTTPError as error:
        log.warning("wechat clock check failed", extra={"reason": type(error).__name__})
        return None


async def call(
    request: Call,
    headers: Callable[[], Mapping[str, str]],
    read: Callable[[Answer], T],
) -> T:
    """Make a call and read its answer; the only door to WeChat. Never inside a transaction.

    headers: made anew for each try (signatures age); read: turns an answer into a value or
    raises WeChatError. Repeats what certainly did not happen, and what may have happened only if
    the call is `repeatable`; raises the last WeChatError when tries, budget or time are used up.
    """
    budget = _budgets.setdefault(request.base_url, _Budget())
    budget.called()
    ends = clock.monotonic() + request.deadline_seconds
    attempt = 0
    while True:
        attempt += 1
        try:
            return read(await _try(request, headers, ends))
        except WeChatError as error:
            _log_failure(request, attempt, error)
            repeat = error.retry is Retry.RETRY or (
                error.retry is Retry.UNKNOWN and request.repeatable
            )
            pause = rules.pause_seconds(attempt, random.random())
            is_last = attempt >= request.tries or clock.monotonic() + pause >= ends
            if not repeat or is_last or error.code in _OURS or not budget.may_repeat():
                raise
        await asyncio.sleep(pause)


def _log_failure(request: Call, attempt: int, error: WeChatError) -> None:
    log.info(
        "wechat call failed",
        extra={
            "api": request.api,
            "status": error.status,
            "wechat_code": error.code,
            "request_id": error.request_id,
            "attempt": attempt,
        },
    )


async def _try(request: Call, headers: Callable[[], Mapping[str, str]], ends: float) -> Answer:
    key = (request.base_url, request.account, request.api)
    lane = _lanes.get(key) or _lanes.setdefault(key, _Lane(request.per_second))
    await _enter(lane, request, ends)
    started = clock.monotonic()
    try:
        answer = await _send(request, headers())
    except WeChatError as error:
        _settle(lane, request, error.code.lower(), started, failed=True)
        raise
    _note_skew(request.base_url, answer.headers)
    _settle(lane, request, f"{answer.status // 100}xx", started, failed=answer.status >= 500)
    if answer.status == 429:
        lane.closed_until = clock.monotonic() + 1.0
    return answer


async def _enter(lane: _Lane, request: Call, ends: float) -> None:
    now = clock.monotonic()
    if lane.failures >= _BREAK_AFTER:
        if lane.closed_until > now:
            raise WeChatError(0, "CIRCUIT_OPEN", "WeChat keeps failing", retry=Retry.RETRY)
        # One caller goes ahead to see: its success resets the breaker, its failure renews it.
        lane.closed_until = now + _BREAK_SECONDS
        return
    wait = max(lane.wait_seconds(), lane.closed_until - now)
    if now + wait >= ends:
        lane.give_back()
        raise WeChatError(0, "LOCAL_LIMIT", "too many calls for this account", retry=Retry.RETRY)
    if wait > 0:
        await asyncio.sleep(wait)


def _settle(lane: _Lane, request: Call, outcome: str, started: float, *, failed: bool) -> None:
    _CALLS.labels(request.api, outcome).inc()
    _SECONDS.labels(request.api).observe(clock.monotonic() - started)
    if not failed:
        if lane.failures >= _BREAK_AFTER:
            lane.closed_until = 0.0
        lane.failures = 0
        return
    lane.failures += 1
    if lane.failures >= _BREAK_AFTER:
        lane.closed_until = clock.monotonic() + _BREAK_SECONDS
        log.error("wechat circuit open", extra={"api": request.api, "failures": lane.failures})


async def _send(request: Call, headers: Mapping[str, str]) -> Answer:
    """One exchange. `from None` below: the exceptions of httpx hold the request and its secrets."""
    url = request.base_url + request.target
    try:
        async with _exchange(request.method, url, headers, request.body or None) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > request.max_answer_bytes:
                    raise WeChatError(
                        response.status_code, "MALFORMED", "answer too large", retry=Retry.UNKNOWN
                    )
            names = {name.lower(): value for name, value in response.headers.items()}
            return Answer(status=response.status_code, headers=names, body=bytes(body))
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        reason = type(error).__name__
        raise WeChatError(0, "NOT_SENT", reason, retry=Retry.RETRY) from None
    except httpx.HTTPError as error:
        reason = type(error).__name__
        raise WeChatError(0, "NO_ANSWER", reason, retry=Retry.UNKNOWN) from None


def _note_skew(base_url: str, headers: Mapping[str, str], *, alarm: bool = False) -> float | None:
    """Keep how far apart the clocks are; alarm when that becomes too much, or is (`alarm`)."""
    try:
        shown = email.utils.parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None
    before = _skew.get(base_url, 0.0)
    skew = _skew[base_url] = shown - clock.now().timestamp()
    _SKEW.set(skew)
    if abs(skew) >= SKEW_ALARM_SECONDS and (alarm or abs(before) < SKEW_ALARM_SECONDS):
        log.error("clock skew", extra={"skew_seconds": round(skew), "alarm": "clock_skew"})
    return skew
