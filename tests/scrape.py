"""A Prometheus page, read as Prometheus reads it."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """`page["name", "label=value", ...]` is one sample's value."""

    def __init__(self, text: str) -> None:
        self.samples = {
            (sample.name, *sorted(f"{key}={value}" for key, value in sample.labels.items())): (
                sample.value
            )
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    @property
    def names(self) -> set[str]:
        return {name for name, *_ in self.samples}

    def __getitem__(self, key: str | tuple[str, ...]) -> float:
        name, *labels = (key,) if isinstance(key, str) else key
        return self.samples[name, *sorted(labels)]

    def total(self, name: str, *labels: str) -> float:
        """The sum over all samples of the name that have these labels."""
        return sum(
            value
            for (found, *has), value in self.samples.items()
            if found == name and set(labels) <= set(has)
        )


async def scrape(url: str, **headers: str) -> Scrape:
    async with httpx.AsyncClient() as client:
        answer = await client.get(url, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    return Scrape(answer.text)
