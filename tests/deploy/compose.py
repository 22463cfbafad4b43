"""docker-compose.yml, read as compose reads it: what depends on what, with which environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from dotenv import dotenv_values

from tests.deploy.tools import ROOT

FILE = ROOT / "docker-compose.yml"
_VARIABLE = re.compile(r"\$\{(\w+)(?::\?([^}]*)|:-([^}]*))?\}|\$(\$)")
_UNITS = {"s": 1, "m": 60}


@dataclass(frozen=True, slots=True)
class Service:
    """A service; `needs` are the services before it, with the condition of each."""

    name: str
    raw: Mapping[str, Any]

    @property
    def needs(self) -> dict[str, str]:
        return {name: of["condition"] for name, of in self.raw.get("depends_on", {}).items()}

    @property
    def is_ours(self) -> bool:
        return "build" in self.raw

    @property
    def environment(self) -> dict[str, str]:
        return dict(self.raw.get("environment", {}))

    @property
    def check(self) -> list[str] | None:
        """The command of its health check."""
        test = self.raw.get("healthcheck", {}).get("test")
        if test is None:
            return None
        kind, *command = test
        return ["/bin/sh", "-c", *command] if kind == "CMD-SHELL" else command

    @property
    def grace_s(self) -> float:
        return seconds(self.raw.get("stop_grace_period", "10s"))


def seconds(text: str) -> float:
    """`1m30s` as seconds."""
    return sum(float(value) * _UNITS[unit] for value, unit in re.findall(r"([\d.]+)([sm])", text))


def interpolated(value: Any, variables: Mapping[str, str | None]) -> Any:
    """The file's content with its variables filled in, as compose does it: in texts, after the
    file was parsed. Raises KeyError for one that must be set."""
    if isinstance(value, dict):
        return {key: interpolated(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item, variables) for item in value]
    if not isinstance(value, str):
        return value

    def filled(match: re.Match[str]) -> str:
        name, required, default, dollar = match.groups()
        if dollar:
            return "$"
        if found := variables.get(name):
            return found
        if required is not None:
            raise KeyError(name)
        return default or ""

    return _VARIABLE.sub(filled, value)


def raw(variables: Mapping[str, str | None]) -> dict[str, Any]:
    loaded: dict[str, Any] = interpolated(yaml.safe_load(FILE.read_text()), variables)
    return loaded


def services(variables: Mapping[str, str | None], profile: str | None = None) -> dict[str, Service]:
    """The services that run without a profile and those of this one, each after those that it
    needs."""
    found = {name: Service(name, of) for name, of in raw(variables)["services"].items()}
    ordered: dict[str, Service] = {}

    def visit(name: str, seen: tuple[str, ...]) -> Iterator[Service]:
        assert name not in seen, f"a circle: {seen}"
        for needed in found[name].needs:
            yield from visit(needed, (*seen, name))
        yield found[name]

    for name, service in found.items():
        if service.raw.get("profiles") in (None, [profile]):
            ordered |= {one.name: one for one in visit(name, ())}
    return ordered


def example_env(**filled: str) -> dict[str, str]:
    """`.env` as a person makes it: the example, with these filled in."""
    values = {name: value or "" for name, value in dotenv_values(ROOT / ".env.example").items()}
    assert set(filled) <= set(values), "not in .env.example"
    return {**values, **filled}
