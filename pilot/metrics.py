"""What a worker counts, on the meter of its Temporal runtime.

So πlot's metrics and the SDK's leave by one exporter: the Prometheus endpoint of
PILOT_METRICS_ADDRESS, or whatever the runtime of somebody else's worker has. The meter adds
the units and `_total` to the names; it counts in whole numbers, hence dollars by the billion.
No label holds an id, and each has few values.
"""

from __future__ import annotations

from collections.abc import Mapping

from temporalio.client import Client
from temporalio.common import MetricMeter
from temporalio.runtime import PrometheusConfig, Runtime

from pilot.events.model import FINAL_EVENT_TYPES, Envelope, EventType
from pilot.store.usage import ModelCall

NODE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)

MAX_MODELS = 100
"""A graph may name any model: those after the hundredth count as `other`."""
OTHER = "other"

INTERNAL_CODES = frozenset({"internal_error", "interpreter_error", "run_failed"})
"""A node that failed inside πlot, the interpreter that did, a run that could not say why."""


def exporter(address: str) -> PrometheusConfig:
    """Serves `/metrics` on `host:port`, named as Prometheus has it: seconds and `_total`."""
    return PrometheusConfig(
        bind_address=address,
        counters_total_suffix=True,
        unit_suffix=True,
        durations_as_seconds=True,
        histogram_bucket_overrides={"pilot_node_duration": NODE_BUCKETS_S},
    )


class WorkerMetrics:
    """The worker's instruments. Calls are cheap, and come from any thread."""

    def __init__(self, meter: MetricMeter) -> None:
        self._started = meter.create_counter(
            "pilot_executions_started", "Executions that began to run"
        )
        self._finished = meter.create_counter(
            "pilot_executions_finished", "Executions that ended, by status"
        )
        self._internal = meter.create_counter(
            "pilot_executions_internal_errors", "Executions that failed by a fault of ours"
        )
        self._nodes = meter.create_histogram_float(
            "pilot_node_duration",
            "How long an attempt of a node took, by the node's type and the attempt's outcome",
            "seconds",
        )
        self._calls = meter.create_counter("pilot_llm_calls", "Calls of models")
        self._tokens = meter.create_counter(
            "pilot_llm_tokens", "Tokens of model calls, by kind (prompt, completion)"
        )
        self._cost = meter.create_counter(
            "pilot_llm_cost_nanodollars", "What model calls cost, in billionths of a US dollar"
        )
        self._waits = meter.create_counter(
            "pilot_llm_waits", "Calls of models that found no room, by the limit's pattern"
        )
        self._repaired = meter.create_counter(
            "pilot_reconcile_repaired", "Executions that the reconciler repaired, by kind"
        )
        self._pruned = meter.create_counter(
            "pilot_retention_pruned", "What the retention deleted, by kind"
        )
        self._models: set[str] = set()

    @classmethod
    def of(cls, client: Client) -> WorkerMetrics:
        """On the meter of the client's runtime; a runtime without an exporter counts nothing."""
        runtime = client.service_client.config.runtime or Runtime.default()
        return cls(runtime.metric_meter)

    def emitted(self, envelope: Envelope) -> None:
        """An event, as it leaves its run or the reconciler for the first time."""
        event = envelope.event
        if event.type is EventType.EXECUTION_STARTED:
            self._started.add(1)
        elif event.type in FINAL_EVENT_TYPES:
            self._finished.add(1, {"status": event.type.value.removeprefix("execution.")})
            code = event.data.get("error", {}).get("code")
            if code in INTERNAL_CODES:
                self._internal.add(1, {"code": code})

    def attempt(self, type: str, status: str, seconds: float) -> None:
        """`status`: succeeded, failed, cancelled, or waiting where its model had no room."""
        self._nodes.record(seconds, {"type": type, "status": status})

    def model_call(self, call: ModelCall) -> None:
        labels = {"model": self._model(call.model)}
        self._calls.add(1, labels)
        self._tokens.add(call.prompt_tokens, {**labels, "kind": "prompt"})
        self._tokens.add(call.completion_tokens, {**labels, "kind": "completion"})
        if call.cost:
            self._cost.add(call.cost, labels)

    def model_waits(self, pattern: str) -> None:
        self._waits.add(1, {"limit": pattern})

    def repaired(self, kinds: Mapping[str, int]) -> None:
        for kind, count in kinds.items():
            self._repaired.add(count, {"kind": kind})

    def pruned(self, kind: str, count: int) -> None:
        self._pruned.add(count, {"kind": kind})

    def _model(self, name: str) -> str:
        if name not in self._models:
            if len(self._models) >= MAX_MODELS:
                return OTHER
            self._models.add(name)
        return name


_current = WorkerMetrics(MetricMeter.noop)


def install(metrics: WorkerMetrics) -> None:
    """Makes them the process's."""
    global _current  # noqa: PLW0603
    _current = metrics


def current() -> WorkerMetrics:
    """The process's; without a worker they count nothing."""
    return _current
