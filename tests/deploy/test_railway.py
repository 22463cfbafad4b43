"""railway.json and the worker's own: known fields, of the types that Railway's parser takes."""

from __future__ import annotations

import json
import shlex

import pytest

from pilot.settings import DRAIN_S
from tests.deploy.tools import ROOT
from worker import ENDING_S

FILES = ("railway.json", "deploy/railway/worker.json")
# docs.railway.com/config-as-code/reference. Seconds are numbers: the parser refuses the texts
# that the page shows.
BUILD = {"builder": str, "dockerfilePath": str}
DEPLOY = {
    "preDeployCommand": list,
    "startCommand": str,
    "healthcheckPath": str,
    "healthcheckTimeout": int,
    "overlapSeconds": int,
    "drainingSeconds": int,
    "restartPolicyType": str,
}


def loaded(path: str) -> dict[str, dict[str, object]]:
    content: dict[str, dict[str, object]] = json.loads((ROOT / path).read_text())
    return content


@pytest.mark.parametrize("path", FILES)
def test_every_field_is_known(path: str) -> None:
    content = loaded(path)
    assert set(content) == {"$schema", "build", "deploy"}
    for part, known in (("build", BUILD), ("deploy", DEPLOY)):
        for name, value in content[part].items():
            assert isinstance(value, known[name]), f"{part}.{name}"
    assert content["build"]["builder"] == "DOCKERFILE"
    assert (ROOT / str(content["build"]["dockerfilePath"])).is_file()
    assert content["deploy"]["restartPolicyType"] == "ALWAYS"


def test_the_api_listens_where_railway_asks() -> None:
    deploy = loaded("railway.json")["deploy"]
    shell, flag, script = shlex.split(str(deploy["startCommand"]))
    # a start command is no shell's: only in one is PORT filled in
    assert (shell, flag) == ("/bin/sh", "-c")
    assert script == "PILOT_PORT=$PORT exec tini -- pilot api"
    assert deploy["preDeployCommand"] == ["pilot migrate"]


def test_a_worker_has_the_time_to_drain() -> None:
    deploy = loaded("deploy/railway/worker.json")["deploy"]
    assert deploy["startCommand"] == "tini -- pilot worker"
    draining = deploy["drainingSeconds"]
    assert isinstance(draining, int)
    assert draining >= DRAIN_S + ENDING_S + 2
