"""The deployment of docker-compose.yml, started by hand, used and stopped."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx

from pilot.crypto import new_key
from tests.deploy import compose
from tests.deploy.by_hand import ByHand
from tests.deploy.confined import UID, can_write, status
from tests.deploy.issuer import issuer
from tests.deploy.tools import ROOT
from tests.stack import finished, save

EXAMPLE = ROOT / "examples" / "shopping_cart.json"


async def test_it_starts_runs_an_example_and_stops(tmp_path: Path) -> None:
    async with issuer() as clerk:
        env = compose.example_env(
            POSTGRES_PASSWORD="5ecret",
            CLERK_JWT_ISSUER=clerk.url,
            PILOT_ENCRYPTION_KEY=new_key(),
        )
        async with ByHand(tmp_path, compose.services(env), env) as deployment:
            assert deployment.exit_codes == {"migrate": 0, "temporal-namespace": 0}
            await deployment.healthy("api")
            await deployment.healthy("worker")
            await use(deployment, clerk.token("user_ada"))
            for name in ("api", "worker"):
                pid = deployment.pid(name)
                if deployment.confinement.is_on:
                    has_no_privilege(pid)
                kept = Path(f"/proc/{pid}/root{deployment.confinement.data_dir}")
                assert not kept.exists(), "nothing is kept in the container"
            for name in ("worker", "api"):
                assert await deployment.stop(name) == 0, deployment.log(name)[-2000:]
            logs = deployment.log("worker") + deployment.log("api") + deployment.log("migrate")
            assert "Traceback" not in logs
            assert "5ecret" not in logs


def has_no_privilege(pid: int) -> None:
    its = status(pid)
    assert its["Uid"].split() == [str(UID)] * 4
    assert {its[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert its["NoNewPrivs"] == "1"
    assert not can_write(pid, "/")


async def use(deployment: ByHand, token: str) -> None:
    """Checks health and who may call, and runs an example to its end."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=deployment.url, headers=headers, timeout=30) as client:
        async with asyncio.timeout(60):  # a worker's metrics answer before it polls
            while (health := (await client.get("/health")).json())["status"] != "ok":
                await asyncio.sleep(0.1)
        parts = health["parts"]
        assert parts["bus"]["status"] == "ok", "Redis"
        assert parts["encryption"]["status"] == "ok"
        assert {"seccomp", "no_new_privs"} <= set(parts["sandbox"]["layers"])
        refused = await client.get("/api/v1/workflows", headers={"Authorization": "Bearer x"})
        assert refused.status_code == 401

        graph = json.loads(EXAMPLE.read_text())
        workflow = await save(client, graph)
        started = await client.post(f"/api/v1/workflows/{workflow}/execute", json={"input": {}})
        assert started.status_code == 202, started.text
        execution = await finished(client, started.json()["id"])
        assert execution["status"] == "succeeded", execution
        assert execution["output"]
