"""Web processes share one port fairly, and notice when it is taken."""

import asyncio
import socket
import sys
from multiprocessing import spawn

import msgspec
import pytest

from siyu.app import processes, serving
from siyu.kernel import config

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux deals connections")


def test_each_of_two_that_share_a_port_gets_customers() -> None:
    given = serving._bound(("127.0.0.1", 0), socket.AF_INET, shared=True)
    loops = [serving.Loop(), serving.Loop()]
    came = [0, 0]

    def protocol(number: int) -> asyncio.Protocol:
        came[number] += 1
        return asyncio.Protocol()

    servers = [
        loop.run_until_complete(loop.create_server(lambda n=n: protocol(n), sock=given))
        for n, loop in enumerate(loops)
    ]
    customers = [socket.create_connection(given.getsockname()) for _ in range(128)]
    for loop, server in zip(loops, servers, strict=True):
        loop.run_until_complete(asyncio.sleep(0.05))
        server.close()
        loop.close()
    for customer in customers:
        customer.close()
    given.close()
    assert sum(came) == 128
    assert min(came) > 32, "the kernel deals them about evenly"


def test_a_port_that_is_taken_is_not_shared(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = msgspec.structs.replace(
            config.settings(), host="127.0.0.1", port=other.getsockname()[1], web_processes=2
        )
        with pytest.raises(SystemExit, match="Address already in use"):
            serving.serve("siyu.app.http:create_app", settings)


def test_a_child_does_not_run_the_script_that_started_its_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One without `if __name__ == "__main__"` would start an installation in each of its parts."""
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None, raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/tmp/script.py", raising=False)
    runs = {"init_main_from_name", "init_main_from_path"}
    assert runs & spawn.get_preparation_data("web").keys()
    with processes._without_main():
        assert not runs & spawn.get_preparation_data("web").keys()


async def test_a_process_tells_what_its_tasks_wait_for(capfd: pytest.CaptureFixture[str]) -> None:
    never = asyncio.Event()

    async def inner() -> None:
        await never.wait()

    async def outer() -> None:
        await inner()

    task = asyncio.create_task(outer(), name="who waits")
    await asyncio.sleep(0)
    processes.tell_tasks()
    task.cancel()
    told = capfd.readouterr().err
    [line] = [line for line in told.splitlines() if line.startswith("who waits: ")]
    assert [part.split()[1] for part in line.partition(": ")[2].split(" > ")][:2] == [
        "outer",
        "inner",
    ]
