"""Settings from the environment (and `.env`), read once at start.

Every variable of `.env.example` is here. A missing or contradictory one is named in one
line, by `SettingsError`.
"""

from __future__ import annotations

import base64
import re
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pilot import extras
from pilot.errors import SettingsError
from pilot.graph.status import FINAL_EXECUTION_STATUSES
from pilot.queues import queues, require_routable, served
from pilot.standing import Standing, standings
from pilot.throttle import ModelLimit, model_limits

MAX_BUDGET_TOKENS, MAX_BUDGET_USD = 10**15, 10**9
MAX_RUNS = 100
MAX_QUEUED = 10_000_000
SCHEDULE_MIN_S, DEVELOPMENT_SCHEDULE_MIN_S = 60.0, 1.0
DRAIN_S, DEVELOPMENT_DRAIN_S = 20.0, 1.0
API_DRAIN_S = 3.0
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


Days = Annotated[float, Field(gt=0, le=36_500)]


class Settings(BaseSettings):
    """The environment, typed. Field names are the variables' names in lower case."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    # who may call
    clerk_secret_key: SecretStr | None = None
    clerk_publishable_key: str | None = None
    clerk_jwt_issuer: str | None = None
    clerk_authorized_parties: Annotated[list[str], NoDecode] = Field(default_factory=list)

    # where data lives
    pilot_database_pool: Annotated[int, Field(ge=1, le=1_000)] | None = None
    supabase_url: str | None = None
    supabase_key: SecretStr | None = None
    supabase_service_key: SecretStr | None = None
    database_url: str | None = None
    redis_url: SecretStr | None = None
    pilot_encryption_key: SecretStr | None = None
    pilot_codec_users: Annotated[list[str], NoDecode] = Field(default_factory=list)
    pilot_payloads: str | None = None
    pilot_payloads_endpoint: str | None = None
    pilot_payloads_region: str | None = None
    pilot_payloads_key_id: str | None = None
    pilot_payloads_secret: SecretStr | None = None
    pilot_payloads_from_kb: Annotated[int, Field(ge=64, le=1_500)] = 128
    pilot_payloads_max_mb: Annotated[int, Field(ge=2, le=100)] = 16

    # models
    openrouter_api_key: SecretStr | None = None
    pilot_llm_api_base: str | None = None
    pilot_llm_api_key: SecretStr | None = None
    pilot_budget_tokens_per_day: Annotated[int, Field(ge=0, le=MAX_BUDGET_TOKENS)] | None = None
    pilot_budget_usd_per_day: Annotated[Decimal, Field(ge=0, le=MAX_BUDGET_USD)] | None = None
    pilot_unknown_price_usd_per_1k: Annotated[Decimal, Field(ge=0, le=1_000)] | None = None
    pilot_model_limits: Annotated[list[ModelLimit], NoDecode] = Field(default_factory=list)

    # Temporal
    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: str = "default"
    temporal_api_key: SecretStr | None = None
    temporal_tls: bool | None = None
    temporal_tls_cert: str | None = None
    temporal_tls_key: SecretStr | None = None
    temporal_tls_ca: str | None = None
    temporal_tls_server_name: str | None = None
    temporal_ui_url: str | None = None
    temporal_task_queue: str = "pilot"
    pilot_task_queues: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    pilot_worker_queues: Annotated[list[str], NoDecode] = Field(default_factory=list)
    pilot_deployment: Annotated[str, Field(pattern=r"^[^.]+$")] | None = None
    pilot_build_id: str | None = None
    pilot_versioning: Literal["auto_upgrade", "pinned"] = "auto_upgrade"
    pilot_reconcile_every_s: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    pilot_retention_every_s: Annotated[float, Field(ge=1, le=86_400)] = 3_600.0
    pilot_retention_days: Days | None = None
    pilot_retention_status_days: Annotated[dict[str, Days], NoDecode] = Field(default_factory=dict)
    pilot_retention_events_days: Days | None = None
    pilot_retention_usage_days: Days | None = None
    pilot_archive_dir: Path | None = None
    pilot_cancel_escalate_s: Annotated[float, Field(ge=1, le=86_400)] = 30.0
    pilot_max_activities: Annotated[int, Field(ge=1, le=10_000)] = 100
    pilot_max_workflow_tasks: Annotated[int, Field(ge=2, le=1_000)] = 100

    # the process
    pilot_env: Literal["development", "production"] = "production"
    pilot_drain_s: Annotated[float, Field(ge=0, le=86_400)] | None = None
    pilot_data_dir: Path = Path(".pilot")
    pilot_host: str = "127.0.0.1"
    pilot_port: int = 8000
    pilot_public_url: str | None = None
    pilot_api_workers: Annotated[int, Field(ge=1, le=64)] = 1
    pilot_api_drain_s: Annotated[float, Field(ge=0, le=3_600)] | None = None
    pilot_trusted_proxies: Annotated[list[str], NoDecode] = Field(default_factory=list)
    pilot_connections_per_user: Annotated[int, Field(ge=1)] = 200
    pilot_connections_per_address: Annotated[int, Field(ge=1)] = 1_000
    pilot_max_runs_per_user: Annotated[int, Field(ge=0)] | None = None
    pilot_max_queued_per_user: Annotated[int, Field(ge=1, le=MAX_QUEUED)] | None = None
    pilot_max_queued: Annotated[int, Field(ge=1, le=MAX_QUEUED)] | None = None
    pilot_priorities: Annotated[dict[str, Standing], NoDecode] = Field(default_factory=dict)
    pilot_rate_reads: str | None = None
    pilot_rate_writes: str | None = None
    pilot_rate_executes: str | None = None
    pilot_rate_validations: str | None = None
    pilot_rate_exports: str | None = None
    pilot_rate_address: str | None = None
    pilot_rate_hooks: str | None = None
    pilot_schedule_min_s: Annotated[float, Field(ge=1, le=86_400)] | None = None
    pilot_bus_url: str | None = None
    pilot_bus_token: SecretStr | None = None
    pilot_allowed_hosts: Annotated[list[str], NoDecode] = Field(default_factory=list)
    pilot_allowed_ports: Annotated[list[str], NoDecode] = Field(
        default_factory=lambda: ["80", "443", "8080", "8443"]
    )
    pilot_tls_ca_file: Path | None = None
    pilot_tls_verify: bool = True
    pilot_code_max_time_s: Annotated[float, Field(gt=0, le=300)] = 300.0
    pilot_code_max_memory_mb: Annotated[int, Field(ge=1, le=1024)] = 1024
    pilot_code_max_output_kb: Annotated[int, Field(ge=1, le=1536)] = 1536
    pilot_code_max_logs_kb: Annotated[int, Field(ge=0, le=1024)] = 1024
    debug: bool = False
    pilot_log_format: Literal["auto", "json", "text"] = "auto"
    pilot_log_level: Literal["debug", "info", "warning", "error"] = "info"
    pilot_metrics_address: str | None = None
    pilot_metrics_token: SecretStr | None = None
    backend_cors_origins: Annotated[list[str], NoDecode] = Field(default_factory=list)
    sentry_dsn: SecretStr | None = None
    sentry_environment: str | None = None
    sentry_release: str | None = None
    otel_exporter_otlp_endpoint: str | None = None
    pilot_traces_sample_rate: Annotated[float, Field(ge=0, le=1)] = 1.0

    @field_validator(
        "backend_cors_origins",
        "clerk_authorized_parties",
        "pilot_allowed_hosts",
        "pilot_allowed_ports",
        "pilot_codec_users",
        "pilot_trusted_proxies",
        "pilot_worker_queues",
        mode="before",
    )
    @classmethod
    def _comma_list(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("pilot_retention_status_days", mode="before")
    @classmethod
    def _days_by_status(cls, value: object) -> object:
        """From `failed=90, cancelled=7`."""
        if not isinstance(value, str):
            return value
        days = {}
        for part in (part.strip() for part in value.split(",") if part.strip()):
            name, _, number = part.partition("=")
            status = name.strip().lower()
            if status not in FINAL_EXECUTION_STATUSES or not number.strip():
                known = ", ".join(sorted(FINAL_EXECUTION_STATUSES))
                raise ValueError(f"{part!r} is not <status>=<days>, with a status of {known}")
            days[status] = number.strip()
        return days

    @field_validator("pilot_priorities", mode="before")
    @classmethod
    def _standings(cls, value: object) -> object:
        return standings(value) if isinstance(value, str) else value

    @field_validator("pilot_model_limits", mode="before")
    @classmethod
    def _model_limits(cls, value: object) -> object:
        return model_limits(value) if isinstance(value, str) else value

    @field_validator("pilot_task_queues", mode="before")
    @classmethod
    def _queues(cls, value: object) -> object:
        return queues(value) if isinstance(value, str) else value

    @field_validator("pilot_log_format", "pilot_log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @property
    def is_development(self) -> bool:
        return self.pilot_env == "development"

    @property
    def uses_development_issuer(self) -> bool:
        """The local issuer signs tokens: only in development, and only without Clerk."""
        return self.is_development and self.issuer is None

    @property
    def issuer(self) -> str | None:
        """Who signs tokens: CLERK_JWT_ISSUER, else the address inside CLERK_PUBLISHABLE_KEY."""
        if self.clerk_jwt_issuer is not None or self.clerk_publishable_key is None:
            return self.clerk_jwt_issuer
        return frontend_url(self.clerk_publishable_key)

    @property
    def max_runs(self) -> int | None:
        """How many runs an owner may have at once; None: any number."""
        if self.pilot_max_runs_per_user is not None:
            return self.pilot_max_runs_per_user or None
        return None if self.is_development else MAX_RUNS

    @property
    def served_queues(self) -> list[str]:
        """The task queues that a worker polls."""
        return served(self.temporal_task_queue, self.pilot_task_queues, self.pilot_worker_queues)

    @property
    def node_queues(self) -> set[str]:
        """Task queues that hold activities of nodes alone, and no runs."""
        return {*self.pilot_task_queues.values(), *self.served_queues} - {self.temporal_task_queue}

    @property
    def schedule_min_s(self) -> float:
        """The shortest interval of a schedule, in seconds."""
        if self.pilot_schedule_min_s is not None:
            return self.pilot_schedule_min_s
        return DEVELOPMENT_SCHEDULE_MIN_S if self.is_development else SCHEDULE_MIN_S

    @property
    def drain_s(self) -> float:
        """How long (seconds) a worker's running activities may go on after SIGTERM. In
        development there is no other worker to wait for them, and a person at the terminal."""
        if self.pilot_drain_s is not None:
            return self.pilot_drain_s
        return DEVELOPMENT_DRAIN_S if self.is_development else DRAIN_S

    @property
    def api_drain_s(self) -> float:
        """How long (seconds) an API process serves on after SIGTERM, not ready any more. Nobody
        balances a load in development."""
        if self.pilot_api_drain_s is not None:
            return self.pilot_api_drain_s
        return 0.0 if self.is_development else API_DRAIN_S

    @property
    def public_url(self) -> str:
        """Where people and programs reach the API. In development it is where it listens; empty
        where nobody has said."""
        if self.pilot_public_url is not None:
            return self.pilot_public_url.rstrip("/")
        return f"http://{self.pilot_host}:{self.pilot_port}" if self.is_development else ""

    @property
    def reloads(self) -> bool:
        """Whether the API starts anew when its code changes."""
        return self.debug and self.is_development

    @property
    def store_url(self) -> str:
        """DATABASE_URL, else SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.pilot_data_dir.resolve() / 'pilot.db'}"

    @property
    def uses_supabase(self) -> bool:
        """Whether the store is Supabase's API: with SUPABASE_URL, unless DATABASE_URL is set."""
        return self.supabase_url is not None and self.database_url is None

    def check(self) -> None:
        """Raises `SettingsError` for what is missing or contradicts itself."""
        extras.check(self)
        self._check_supabase()
        if not self.is_development:
            from pilot.production import require_production  # noqa: PLC0415 (as below)

            require_production(self)
        if self.pilot_encryption_key is not None:
            from pilot.crypto import Keyring  # noqa: PLC0415 (few processes need it)

            Keyring.parse(self.pilot_encryption_key.get_secret_value())
        if any(name.startswith("temporal_tls") for name in self.model_fields_set):
            from pilot.temporal_tls import tls_of  # noqa: PLC0415 (few processes need it)

            tls_of(self)
        if any(name.startswith("pilot_payloads") for name in self.model_fields_set):
            from pilot.payloads.place import place_of  # noqa: PLC0415 (as above)

            place_of(self)
        if self.pilot_task_queues:
            from pilot.nodes import specs  # noqa: PLC0415 (as above)

            require_routable(self.pilot_task_queues, self.temporal_task_queue, specs())
        url = self.pilot_public_url
        if url is not None and re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", url) is None:
            raise SettingsError(
                "PILOT_PUBLIC_URL is no URL: write such as https://pilot.example.com"
            )
        if (self.pilot_deployment is None) != (self.pilot_build_id is None):
            raise SettingsError(
                "PILOT_DEPLOYMENT and PILOT_BUILD_ID go together: set both, or neither."
            )
        for origin in self.backend_cors_origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise SettingsError(
                    f"BACKEND_CORS_ORIGINS: {origin!r} is no origin: write scheme://host[:port], "
                    "without a path, in lower case."
                )
        if self.pilot_api_workers > 1 and self.redis_url is None:
            raise SettingsError(
                f"PILOT_API_WORKERS is {self.pilot_api_workers}, and REDIS_URL is not set: the "
                "bus of one machine feeds one process only. Set REDIS_URL, or one worker."
            )

    def _check_supabase(self) -> None:
        keys = {
            "SUPABASE_KEY": self.supabase_key,
            "SUPABASE_SERVICE_KEY": self.supabase_service_key,
        }
        if self.supabase_url is None:
            for name in (name for name, key in keys.items() if key is not None):
                raise SettingsError(f"{name} is set, and SUPABASE_URL, whose key it is, is not.")
        if not self.uses_supabase or self.supabase_url is None:
            return
        if not re.match(r"https?://[^/]", self.supabase_url):
            raise SettingsError("SUPABASE_URL is not a URL: use https://<project>.supabase.co")
        for name in (name for name, key in keys.items() if key is None):
            raise SettingsError(f"SUPABASE_URL is set, and {name} is not.")
        if self.supabase_key == self.supabase_service_key:
            raise SettingsError(
                "SUPABASE_KEY and SUPABASE_SERVICE_KEY are the same: the first is the publishable "
                "(anon) key, the second the secret (service_role) key."
            )
        if self.uses_development_issuer:
            raise SettingsError(
                "SUPABASE_URL is set without CLERK_JWT_ISSUER: Supabase does not know the tokens "
                "of the development issuer. Set it, or DATABASE_URL."
            )


def frontend_url(publishable_key: str) -> str:
    """The address of a Clerk application's front-end API: it is what the key says, in base64.
    Raises `SettingsError`."""
    kind, _, encoded = publishable_key.partition("_")[2].partition("_")
    try:
        host = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode("ascii")
    except ValueError:
        host = ""
    if kind not in ("test", "live") or not re.fullmatch(r"[a-z0-9.-]+\$", host):
        raise SettingsError(
            "CLERK_PUBLISHABLE_KEY is none of Clerk's: it begins with pk_test_ or pk_live_"
        )
    return f"https://{host[:-1]}"


def load_settings() -> Settings:
    """Settings from the environment; `SettingsError` names the first bad variable."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        variable = str(first["loc"][0]).upper() if first["loc"] else "?"
        raise SettingsError(f"{variable}: {first['msg']}") from None


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    return load_settings()
