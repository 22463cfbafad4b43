"""docker-compose.yml: valid by the specification, and what a deployment must not get wrong."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from pilot import embedded
from pilot.nodes import specs
from pilot.queues import queues, require_routable
from pilot.settings import DRAIN_S, Settings
from tests.deploy import compose
from tests.deploy.tools import ROOT, needs_tools, python
from worker import ENDING_S

ENV = compose.example_env(POSTGRES_PASSWORD="a-password")
SERVICES = compose.services(ENV, profile="supabase")
OURS = [service for service in SERVICES.values() if service.is_ours]
TEMPORAL_CONFIG = ROOT / "deploy" / "temporal" / "dynamic-config.yaml"


def valid(document: dict[str, object]) -> str:
    """Reads it by the compose specification's types, and refuses what they do not name."""
    program = "import sys; from compose_spec import PyCompose; PyCompose.from_json(sys.argv[1])"
    return python("-c", program, json.dumps(document))


@needs_tools
def test_it_is_valid_by_the_specification() -> None:
    valid(compose.raw(ENV))


@needs_tools
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("restrat", "always"),
        ("stop_grace_period", "soon"),
        ("depends_on", {"redis": {"condition": "service_wealthy"}}),
    ],
)
def test_the_check_sees_mistakes(key: str, value: object) -> None:
    document = compose.raw(ENV)
    document["services"]["api"][key] = value
    with pytest.raises(AssertionError, match=f"services.api|{key}"):
        valid(document)


def test_all_parts_are_there() -> None:
    core = {"api", "worker", "migrate", "temporal", "temporal-ui", "postgres", "redis"}
    assert core <= set(compose.services(ENV))
    assert {"postgrest", "supabase", "supabase-schema"} == set(SERVICES) - set(
        compose.services(ENV)
    )
    assert [service.raw["command"] for service in OURS] == [["migrate"], ["api"], ["worker"]]


def test_it_holds_no_secret() -> None:
    with pytest.raises(KeyError, match="POSTGRES_PASSWORD"):
        compose.services(compose.example_env())
    for line in compose.FILE.read_text().splitlines():
        if re.search(r"(PASSWORD|PWD|SECRET|TOKEN|_KEY)[A-Z_]*:", line):
            assert "${" in line, line


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_what_is_needed_is_waited_for(service: compose.Service) -> None:
    for name, condition in service.needs.items():
        needed = SERVICES[name]
        if condition == "service_healthy":
            assert needed.check is not None, f"{name} has no health check"
        elif name == "postgrest":  # its image has no program that could ask
            assert condition == "service_started"
        else:
            assert condition == "service_completed_successfully"
            assert needed.raw["restart"] == "on-failure", f"{name} would never complete"
    if service.raw["restart"] != "on-failure":
        assert service.raw["restart"] == "unless-stopped"
    image = service.raw["image"]
    assert service.is_ours or re.search(r":v?\d+(\.\d+)*(-alpine)?$", image), f"{image}: no version"


def test_only_this_machine_is_listened_on() -> None:
    for service in SERVICES.values():
        for port in service.raw.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{service.name}: {port}"


@pytest.mark.parametrize("service", OURS, ids=[service.name for service in OURS])
def test_ours_run_without_privileges(service: compose.Service) -> None:
    assert service.raw["read_only"] is True
    assert service.raw["cap_drop"] == ["ALL"]
    assert service.raw["security_opt"] == ["no-new-privileges:true"]
    # docker mounts a tmpfs `noexec` unless told otherwise, and the sandbox starts from /tmp
    assert service.raw["tmpfs"] == ["/tmp:exec,mode=1777"]


def test_a_worker_has_the_time_to_drain() -> None:
    worker = SERVICES["worker"]
    drain_s = float(worker.environment["PILOT_DRAIN_S"])
    assert drain_s == DRAIN_S, "the comment names it"
    assert worker.grace_s >= drain_s + ENDING_S + 2


@pytest.mark.parametrize("service", OURS, ids=[service.name for service in OURS])
def test_every_setting_is_one_of_ours(service: compose.Service) -> None:
    assert {name.lower() for name in service.environment} <= set(Settings.model_fields)


def test_temporal_is_tuned_as_the_embedded_one() -> None:
    values = {
        f"{key}={json.dumps(value['value'])}"
        for key, [value] in yaml.safe_load(TEMPORAL_CONFIG.read_text()).items()
    }
    assert values == set(embedded.DYNAMIC_CONFIG)
    temporal = SERVICES["temporal"]
    [volume] = temporal.raw["volumes"]
    here, there, _ = volume.split(":")
    path = temporal.environment["DYNAMIC_CONFIG_FILE_PATH"]
    assert path.startswith(there)
    assert (ROOT / here / path.removeprefix(f"{there}/")).samefile(TEMPORAL_CONFIG)


def test_heavy_workers_are_workers_of_one_queue() -> None:
    """The variables are those that docs/deploy.md has for `.env`."""
    env = {**ENV, "PILOT_TASK_QUEUES": "code=pilot-heavy, llm=pilot-heavy"}
    found = compose.services({**env, "PILOT_WORKER_QUEUES": "pilot"}, profile="heavy")
    assert set(found) - set(compose.services(ENV)) == {"worker-heavy"}
    worker, heavy = found["worker"], found["worker-heavy"]
    differs = {"environment", "profiles"}
    assert {k: v for k, v in heavy.raw.items() if k not in differs} == {
        k: v for k, v in worker.raw.items() if k not in differs
    }
    own = {"PILOT_WORKER_QUEUES": "pilot-heavy"}
    assert heavy.environment == {**worker.environment, **own}
    sent = queues(env["PILOT_TASK_QUEUES"])
    assert set(sent.values()) == {*own.values()}
    require_routable(sent, "pilot", specs())
