"""The server and the database of a simulation."""

import fcntl
import os
from pathlib import Path

import asyncpg
import pytest

from siyu.app.sim_database import make_template, template_hash
from siyu.kernel import postgres


@pytest.fixture(scope="session")
def server_home(server_home: Path) -> Path:
    """A server for each worker: simulations hold transactions open and wait for those of others on
    the same server to end, two of them for each other."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    return server_home.with_name(f"{server_home.name}-{worker}") if worker else server_home


@pytest.fixture(scope="session")
async def template(cluster: postgres.Cluster) -> str:
    """All schemas on the simulation's clock, made once; those of old versions go."""
    name = f"simbase_{template_hash()}"
    with (cluster.home / "simulation.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        owner = await asyncpg.connect(cluster.owner_url("postgres"))
        present = {row["datname"] for row in await owner.fetch("select datname from pg_database")}
        await owner.close()
        for other in present:
            kind, _, rest = other.partition("_")
            dead = kind == "sim" and not Path(f"/proc/{rest.partition('_')[0]}").exists()
            if dead or (kind == "simbase" and other != name):
                await cluster.drop_database(other)
        if name not in present:
            await cluster.drop_database(f"building_{name}")
            await make_template(cluster, f"building_{name}")
            await cluster.rename_database(f"building_{name}", name)
    return name
