"""The Helm chart: linted and rendered by Helm itself, and checked by Kubernetes' schemas."""

from __future__ import annotations

import functools
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.app import create_app
from pilot.settings import DRAIN_S, Settings
from tests.deploy.tools import ROOT, helm, needs_tools, python, run
from worker import ENDING_S

CHART = ROOT / "deploy" / "helm" / "pilot"
CASES = ("least", "cloud", "plain", "pools")
POOLS = ("worker-code", "worker-models", "worker-old")
KUBERNETES = ("1.27.0", "1.37.0")  # the chart's kubeVersion, and the newest known
# Objects of KEDA and of the Prometheus operator, whose schemas no package carries.
FOREIGN = ("keda.sh/v1alpha1", "monitoring.coreos.com/v1")
# keda.sh/docs: Scalers, Temporal
TEMPORAL_TRIGGER = {
    "endpoint",
    "namespace",
    "taskQueue",
    "queueTypes",
    "targetQueueSize",
    "workerDeploymentName",
    "workerDeploymentBuildId",
    "tlsServerName",
}

pytestmark = needs_tools

Object = dict[str, Any]


@functools.cache
def rendered(case: str) -> str:
    values = CHART / "ci" / f"{case}.yaml"
    return run(helm(), "template", "demo", str(CHART), "-f", str(values), "-n", "pilot")


def objects(case: str) -> list[Object]:
    return [one for one in yaml.safe_load_all(rendered(case)) if one]


def of(case: str, kind: str, name: str) -> Object:
    [one] = [o for o in objects(case) if (o["kind"], o["metadata"]["name"]) == (kind, name)]
    return one


def pods(case: str) -> dict[str, Object]:
    """The pods' specifications by program."""
    found = [one for one in objects(case) if one["kind"] in ("Deployment", "Job")]
    specs = [one["spec"]["template"]["spec"] for one in found]
    return {spec["containers"][0]["name"]: spec for spec in specs}


def environment(container: Object) -> dict[str, str]:
    values = {entry["name"]: entry["value"] for entry in container["env"]}
    assert len(values) == len(container["env"]), "a variable is set twice"
    assert all(isinstance(value, str) for value in values.values())
    return values


@pytest.mark.parametrize("case", CASES)
def test_helm_finds_nothing(case: str) -> None:
    run(helm(), "lint", "--strict", str(CHART), "-f", str(CHART / "ci" / f"{case}.yaml"))


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_every_object(version: str, tmp_path: Path) -> None:
    everything = [one for case in CASES for one in objects(case)]
    native = [one for one in everything if one["apiVersion"] not in FOREIGN]
    assert {one["kind"] for one in native} == {
        *("Deployment", "Job", "Service", "Ingress", "HorizontalPodAutoscaler"),
        *("PodDisruptionBudget", "NetworkPolicy"),
    }
    file = tmp_path / "objects.yaml"
    file.write_text(yaml.safe_dump_all(native))
    python("-m", "kubernetes_validate", "--strict", "-k", version, str(file))


def test_the_check_sees_mistakes(tmp_path: Path) -> None:
    wrong = of("least", "Deployment", "demo-api")
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    file = tmp_path / "object.yaml"
    file.write_text(yaml.safe_dump(wrong))
    with pytest.raises(AssertionError, match="livenesProbe"):
        python("-m", "kubernetes_validate", "--strict", "-k", KUBERNETES[-1], str(file))


@pytest.mark.parametrize("case", CASES)
def test_every_program_runs_without_privileges(case: str) -> None:
    pools = set(POOLS) if case == "pools" else set()
    assert set(pods(case)) == {"api", "worker", "migrate"} | pools
    for name, spec in pods(case).items():
        [container] = spec["containers"]
        assert container["args"] == [name.partition("-")[0]]
        assert "command" not in container, "the image's entry point passes signals on"
        assert spec["automountServiceAccountToken"] is False
        pod, own = spec["securityContext"], container["securityContext"]
        assert (pod["runAsNonRoot"], pod["runAsUser"]) == (True, 10001)
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert own["readOnlyRootFilesystem"] is True
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
        assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("case", CASES)
def test_its_environment_is_a_configuration_that_starts(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for spec in pods(case).values():
        values = environment(spec["containers"][0])
        assert {name.lower() for name in values} <= set(Settings.model_fields)
        mounted = {name for name in values if name.startswith("TEMPORAL_TLS_")} - {
            "TEMPORAL_TLS_SERVER_NAME"
        }
        if mounted:  # from the Secret, at the place where it is mounted
            [mount] = [m for m in spec["containers"][0]["volumeMounts"] if "temporal" in m["name"]]
            assert all(values.pop(name).startswith(mount["mountPath"]) for name in mounted)
        with monkeypatch.context() as patch:
            for name, value in values.items():
                patch.setenv(name, value)
            settings = Settings(_env_file=None)
        settings.check()
        assert not settings.is_development


@pytest.mark.parametrize("case", CASES)
def test_a_worker_has_the_time_to_drain(case: str) -> None:
    spec = pods(case)["worker"]
    drain_s = float(environment(spec["containers"][0])["PILOT_DRAIN_S"])
    assert spec["terminationGracePeriodSeconds"] >= drain_s + ENDING_S + 2
    if case == "least":
        assert drain_s == DRAIN_S


def test_probes_ask_what_is_there() -> None:
    app = create_app(Settings(_env_file=None, clerk_jwt_issuer="https://clerk.example.com"))
    routes = set(app.openapi()["paths"])
    [container] = pods("least")["api"]["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["path"] in routes
        assert asked["port"] == container["ports"][0]["name"]
    assert container["ports"][0]["containerPort"] == int(environment(container)["PILOT_PORT"])
    [worker] = pods("least")["worker"]["containers"]
    address = environment(worker)["PILOT_METRICS_ADDRESS"]
    assert address.endswith(f":{worker['ports'][0]['containerPort']}")


def test_migration_comes_first_and_needs_nothing_of_the_release() -> None:
    job = of("cloud", "Job", "demo-migrate")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    spec = job["spec"]["template"]["spec"]
    assert spec["restartPolicy"] == "Never"
    used = {json.dumps(entry) for entry in spec["containers"][0]["envFrom"]}
    assert used == {json.dumps({"secretRef": {"name": "pilot"}})}, "the operator's own Secret"


def test_workers_scale_by_the_backlog() -> None:
    scaled = of("least", "ScaledObject", "demo-worker")["spec"]
    trigger, cpu = scaled["triggers"]
    assert scaled["scaleTargetRef"] == {"name": "demo-worker"}
    assert scaled["minReplicaCount"] >= 1
    assert (trigger["type"], cpu["type"]) == ("temporal", "cpu")
    assert trigger["metadata"] == {
        "endpoint": "temporal-frontend.temporal:7233",
        "namespace": "default",
        "taskQueue": "pilot",
        "queueTypes": "workflow,activity",
        "targetQueueSize": "10",
    }
    assert "authenticationRef" not in trigger
    assert "replicas" not in of("least", "Deployment", "demo-worker")["spec"]


def test_keda_shows_the_clients_certificate_and_version() -> None:
    trigger = of("cloud", "ScaledObject", "demo-worker")["spec"]["triggers"][0]
    assert set(trigger["metadata"]) == TEMPORAL_TRIGGER
    assert trigger["metadata"]["workerDeploymentBuildId"] == "0.4.0"
    authentication = of("cloud", "TriggerAuthentication", trigger["authenticationRef"]["name"])
    shown = {one["parameter"]: one["key"] for one in authentication["spec"]["secretTargetRef"]}
    assert shown == {"cert": "tls.crt", "key": "tls.key", "ca": "ca.crt"}
    [container] = pods("cloud")["worker"]["containers"]
    values = environment(container)
    assert values["PILOT_DEPLOYMENT"] == trigger["metadata"]["workerDeploymentName"]
    assert values["PILOT_BUILD_ID"] == "0.4.0"


def test_without_keda_cpu_decides() -> None:
    scaler = of("plain", "HorizontalPodAutoscaler", "demo-worker")["spec"]
    assert scaler["scaleTargetRef"]["name"] == "demo-worker"
    kinds = {one["kind"] for one in objects("plain")}
    assert not kinds & {"ScaledObject", "TriggerAuthentication"}
    assert of("plain", "Deployment", "demo-api")["spec"]["replicas"] == 1


def test_a_pool_has_the_queue_of_its_types() -> None:
    found = {name: environment(spec["containers"][0]) for name, spec in pods("pools").items()}
    assert {values["PILOT_TASK_QUEUES"] for values in found.values()} == {
        "code=pilot-code,llm=pilot-models,http=pilot-models"
    }
    polled = {name: values.get("PILOT_WORKER_QUEUES") for name, values in found.items()}
    assert polled == {
        "api": None,
        "migrate": None,
        "worker": "pilot",
        "worker-code": "pilot-code",
        "worker-models": "pilot-models",
        "worker-old": "pilot-old",
    }
    assert "PILOT_TASK_QUEUES" not in environment(pods("least")["worker"]["containers"][0])


def test_a_pool_is_as_the_workers_are_but_for_what_it_says() -> None:
    code, models = (pods("pools")[name] for name in POOLS[:2])
    [container] = code["containers"]
    assert environment(container)["PILOT_MAX_ACTIVITIES"] == "8"
    assert container["resources"]["requests"] == {"cpu": "2", "memory": "2Gi"}
    assert environment(container)["PILOT_DRAIN_S"] == "20"
    [other], [worker] = models["containers"], pods("pools")["worker"]["containers"]
    assert other["resources"] == worker["resources"]
    assert models["terminationGracePeriodSeconds"] >= 300 + ENDING_S + 2
    selected = [
        of("pools", "Deployment", f"demo-{name}")["spec"]["selector"]["matchLabels"]
        for name in ("worker", *POOLS)
    ]
    assert len({json.dumps(one) for one in selected}) == 4, "no pool takes another's pods"


def test_a_pool_scales_by_its_own_backlog_and_may_go_to_zero() -> None:
    scaled = of("pools", "ScaledObject", "demo-worker-code")["spec"]
    assert scaled["scaleTargetRef"] == {"name": "demo-worker-code"}
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (0, 50)
    asked = scaled["triggers"][0]["metadata"]
    assert (asked["taskQueue"], asked["queueTypes"]) == ("pilot-code", "activity")
    assert asked["targetQueueSize"] == "4"
    assert of("pools", "ScaledObject", "demo-worker")["spec"]["minReplicaCount"] >= 1


def test_what_holds_for_workers_holds_for_pools() -> None:
    for name in ("worker", *POOLS):
        label = {"app.kubernetes.io/component": name}
        policy = of("pools", "NetworkPolicy", f"demo-{name}")["spec"]
        assert label.items() <= policy["podSelector"]["matchLabels"].items()
        assert [rule["ports"] for rule in policy["ingress"]] == [[{"port": "metrics"}]]
        monitor = of("pools", "PodMonitor", f"demo-{name}")["spec"]
        assert label.items() <= monitor["selector"]["matchLabels"].items()
        budget = of("pools", "PodDisruptionBudget", f"demo-{name}")["spec"]
        assert label.items() <= budget["selector"]["matchLabels"].items()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("worker.pools.more.types={code}", "code nodes are given two pools"),
        ("settings.PILOT_TASK_QUEUES=code=pilot-x", "give one of both"),
        ("worker.pools.code.replica=3", "replica"),
        ("worker.pools.Code.types={start}", "Code"),
    ],
)
def test_pools_that_cannot_be_right_are_refused(wrong: str, said: str) -> None:
    values = str(CHART / "ci" / "pools.yaml")
    with pytest.raises(AssertionError, match=said):
        run(helm(), "template", "demo", str(CHART), "-f", values, "--set", wrong)


def test_nodes_do_not_reach_the_cluster() -> None:
    policy = of("cloud", "NetworkPolicy", "demo-worker")["spec"]
    _, public, own = policy["egress"]
    assert "169.254.0.0/16" in public["to"][0]["ipBlock"]["except"], "a cloud's metadata"
    assert own["to"] == [{"ipBlock": {"cidr": "10.1.0.0/16"}}]
    assert [rule["ports"] for rule in policy["ingress"]] == [[{"port": "metrics"}]]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("existingSecret=", "existingSecret"),
        ("settings.CLERK_JWT_ISSUER=", "CLERK_JWT_ISSUER"),
        ("settings.DATABASE_URL=postgresql://user:password@host/name", "DATABASE_URL"),
        ("temporal.address=https://temporal", "address"),
        ("worker.buildId=0.1.0", "buildId"),
        ("worker.autoscaling.by=luck", "by"),
    ],
)
def test_values_that_cannot_be_right_are_refused(wrong: str, named: str) -> None:
    values = str(CHART / "ci" / "least.yaml")
    with pytest.raises(AssertionError, match=rf"\b{named}\b"):
        run(helm(), "template", "demo", str(CHART), "-f", values, "--set", wrong)


def test_every_secret_is_refused_among_the_settings() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    refused = schema["properties"]["settings"]["propertyNames"]["not"]["enum"]
    secret = {
        name.upper()
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    assert set(refused) == secret | {"DATABASE_URL"}


def test_it_is_of_this_release() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert chart["appVersion"] == chart["version"] == version
