"""The gallery: every graph of it is run with what it would meet outside, on loopback.

What stands in `EXPECTED` is run here, with a scripted model and a small HTTP world, and its
output asserted; the others are run by tests/e2e/test_graphs.py.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from temporalio.client import Client
from temporalio.worker import Worker

from pilot.companions import resolved
from pilot.gallery import templates, with_companions
from pilot.graph.validate import validate
from pilot.nodes import specs
from pilot.nodes.input_schema import graph_input_schema
from pilot.plugin import PilotPlugin
from pilot.settings import Settings
from pilot.store import Store
from pilot.store.open import open_store
from tests.openai_server import Calls, Failure, OpenAIServer, Reply, calls, serve
from tests.workflows_def.conftest import Runner

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass
class World:
    """What the graphs call: `posted` has the bodies of POSTs, `asked` the paths of all."""

    url: str = ""
    posted: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        self.asked.append(path)
        if request.method == "POST":
            self.posted.append(await request.json())
            return JSONResponse({"id": len(self.posted)}, 201)
        match path:
            case "/page":
                page = (
                    "<html><head><title>x</title></head><body><h1>Tea &amp; cups</h1><p>It is hot."
                )
                return Response(page, media_type="text/html")
            case "/users/7":
                return JSONResponse({"name": "Ada", "plan": "team"})
            case "/price":
                return JSONResponse({"name": "Tea", "price": "€ 1,299.50"})
            case "/rates":
                return JSONResponse({"EUR": 1})
            case "/gone":
                return PlainTextResponse("gone", 404)
        return PlainTextResponse("down", 503)


@asynccontextmanager
async def gallery_world() -> AsyncIterator[World]:
    world = World()
    routes = [Route("/{path:path}", world.answer, methods=["GET", "POST"])]
    async with serve(Starlette(routes=routes)) as port:
        world.url = f"http://127.0.0.1:{port}"
        yield world


def said(value: Any) -> Reply:
    return Reply(text=value if isinstance(value, str) else json.dumps(value))


Input = Callable[[World], Any]


@dataclass(frozen=True)
class Case:
    """A graph, what it is given, what the model answers in turn, and what comes of it."""

    template: str
    input: Input
    script: tuple[Reply | Calls | Failure, ...]
    output: Any
    posted: tuple[Any, ...] = ()


def given(**values: Any) -> Input:
    """Strings that begin with `/` are addresses of the world."""
    return lambda world: {
        name: world.url + value if isinstance(value, str) and value.startswith("/") else value
        for name, value in values.items()
    }


INVOICE = {"number": "2041", "currency": "EUR", "lines": [{"text": "Tea", "amount": 12.5}]}
MAIL = {"sender": "ada@example.com", "subject": "s", "body": "b"}
DOWN = (Failure(404, "no such model"),) * 8
SUM = {"summary": "twice charged"}

CASES = [
    Case("simple_chatbot", given(message="Hi"), (said("Hello."),), "Hello."),
    Case(
        "shopping_cart",
        given(item="tea", price=2.5, quantity=4),
        (),
        {
            "lines": [{"item": "tea", "price": 10.0}, {"item": "shipping", "price": 3.9}],
            "text": "2 lines, 13.9 EUR",
        },
    ),
    Case(
        "support_triage",
        given(subject="Fire", priority=1),
        (said("We come."),),
        {"team": "on-call", "reply": "We come."},
    ),
    Case(
        "text_report",
        given(text="one three"),
        (said("Short."),),
        {"statistics": {"words": 2, "longest": "three"}, "summary": "Short."},
    ),
    Case(
        "approve_before_sending",
        given(mail="Open?", send_to="/send", patience="PT0.2S"),
        (said("Yes."),),
        {"late": "Nobody looked in time."},
    ),
    Case(
        "confirm_by_link",
        given(url="/rates", patience="PT0.2S"),
        (),
        {"silent": "Nobody answered in time."},
    ),
    Case("fastest_answer", given(message="Hi"), (said("Hello."),) * 3, "Hello."),
    Case("fastest_answer", given(message="def f(): 1"), (said("Fine."),), "Fine."),
    Case(
        "fastest_answer",
        given(message="Hi"),
        DOWN,
        "No model answers at the moment. Please try again later.",
    ),
    Case("http_summary", given(url="/rates"), (), "1 fields (HTTP 200), among them: EUR"),
    Case(
        "web_answer",
        given(url="/page", question="Hot?"),
        (said("Yes, hot."),),
        {"answer": "Yes, hot."},
    ),
    Case(
        "web_answer",
        lambda world: {"url": f"{world.url}/gone", "question": "Hot?"},
        (),
        None,
    ),
    Case(
        "mail_routing",
        given(**MAIL),
        (said({"topic": "billing", "urgent": True, **SUM}),),
        {
            "desk_urgent": {
                "desk": "on-call",
                "topic": "billing",
                "summary": "twice charged",
                "reply_to": "ada@example.com",
            }
        },
    ),
    Case(
        "mail_routing",
        given(**MAIL),
        (said({"topic": "spam", "urgent": True, **SUM}),),
        {"desk_spam": {"desk": "none", "summary": "twice charged"}},
    ),
    Case(
        "mail_routing",
        given(**MAIL),
        (said({"topic": "nonsense"}), said({"topic": "support", "urgent": False, **SUM})),
        {
            "desk_queue": {
                "desk": "support",
                "summary": "twice charged",
                "reply_to": "ada@example.com",
            }
        },
    ),
    Case(
        "invoice_extraction",
        given(text="Tea 12.50"),
        (said({**INVOICE, "total": 12.5}),),
        {"invoice": {**INVOICE, "total": 12.5}},
    ),
    Case(
        "invoice_extraction",
        given(text="Tea 12.50"),
        (said({**INVOICE, "total": 125}), said({**INVOICE, "total": 12.5})),
        {"repaired": {**INVOICE, "total": 12.5}},
    ),
    Case(
        "translation_review",
        given(text="a cat"),
        (said("eine Katze"), said({"mark": 9, "remarks": ""})),
        {"translation": {"text": "eine Katze", "mark": 9}},
    ),
    Case(
        "translation_review",
        given(text="a cat", language="German"),
        (said("ein Katze"), said({"mark": 4, "remarks": "article"}), said("eine Katze")),
        {"improved": {"text": "eine Katze", "first_mark": 4}},
    ),
    Case("answer_always", given(message="Hi"), (said("Hello."),), {"answer": "Hello."}),
    Case(
        "answer_always",
        given(message="Hi"),
        DOWN,
        {"fallback": "We cannot answer right now, but have noted your message."},
    ),
    Case(
        "enrich_and_post",
        given(event="signup", user_id=7, lookup_url="/users", target_url="/events"),
        (),
        {"status": 201, "score": 8, "user": "Ada"},
        ({"event": "signup", "user": {"name": "Ada", "plan": "team"}, "score": 8},),
    ),
    Case(
        "enrich_and_post",
        given(event="other", user_id=7, lookup_url="/gone", target_url="/events"),
        (),
        {"status": 201, "score": 1, "user": "unknown"},
        ({"event": "other", "user": {"name": "unknown", "plan": "none"}, "score": 1},),
    ),
    Case(
        "price_watch",
        given(price_url="/price", limit=1300, notify_url="/hook"),
        (),
        {"told": {"name": "Tea", "price": 1299.5}},
        ({"text": "Tea costs 1299.5"},),
    ),
    Case(
        "price_watch",
        given(price_url="/price", limit=1299.5, notify_url="/hook"),
        (),
        {"waiting": {"name": "Tea", "price": 1299.5}},
    ),
    Case(
        "moderation",
        given(text="A quiet walk."),
        (said({"harmful": False, "reason": ""}),),
        {"published": "A quiet walk."},
    ),
    Case(
        "moderation",
        given(text="Call 555-123-4567!!!"),
        (said({"harmful": True, "reason": "fraud"}),),
        {"held": {"reasons": ["phone", "shouting", "fraud"]}},
    ),
    Case(
        "moderated_answer",
        given(message="Kettle?"),
        (said("Send it back."), said({"harmful": False, "reason": ""})),
        {"answer": "Send it back."},
    ),
    Case(
        "moderated_answer",
        given(message="Kettle?"),
        (said("Call 555-123-4567."), said({"harmful": True, "reason": "fraud"})),
        {"held": {"answer": "Call 555-123-4567.", "reasons": ["phone", "fraud"]}},
    ),
    Case(
        "meeting_actions",
        given(notes="Ada sends the report next Friday.", today="2026-03-02", tasks_url="/tasks"),
        (
            calls(("date_of", {"today": "2026-03-02", "weekday": "friday"})),
            calls(("file_action", {"who": "Ada", "what": "report", "due": "2026-03-06"})),
            said("One action was filed."),
        ),
        {"summary": "One action was filed.", "filed": 1},
        ({"who": "Ada", "what": "report", "due": "2026-03-06"},),
    ),
    Case(
        "data_cleanup",
        given(
            csv="name;mail;amount\n Ada ;ADA@example.com;1.234,50\nada;ada@example.com;1\n"
            "Bob;not a mail;12\n\nEve;eve@example.org;-3"
        ),
        (),
        {
            "rows": [
                {"name": "Ada", "mail": "ada@example.com", "amount": 1234.5},
                {"name": "Eve", "mail": "eve@example.org", "amount": -3.0},
            ],
            "report": {"kept": 2, "rejected": 2, "total": 1231.5},
        },
    ),
    Case(
        "parallel_research",
        given(question="Tea?"),
        (
            Reply(text="a view", usage={"prompt_tokens": 1, "completion_tokens": 1}),
            Reply(text="a view", usage={"prompt_tokens": 1, "completion_tokens": 1}),
            Reply(text="a view", usage={"prompt_tokens": 1, "completion_tokens": 1}),
            Reply(text="Yes.", usage={"prompt_tokens": 30, "completion_tokens": 2}),
        ),
        {"answer": "Yes.", "tokens": 32},
    ),
    Case(
        "summaries",
        given(texts=["a", "b"]),
        (said("Short."), said("Short."), said("All short.")),
        {"summaries": ["Short.", "Short."], "overview": "All short.", "failed": 0},
    ),
    Case(
        "refine",
        given(task="a line"),
        (
            said("first"),
            said({"mark": 3, "remarks": "longer"}),
            said("second"),
            said({"mark": 9, "remarks": ""}),
        ),
        {"text": "second", "mark": 9, "rounds": 2},
    ),
    Case("robust_fetch", given(url="/rates", mirror_url="/gone"), (), {"data": {"EUR": 1}}),
    Case("robust_fetch", given(url="/down", mirror_url="/rates"), (), {"mirrored": {"EUR": 1}}),
    Case(
        "robust_fetch",
        given(url="/gone", mirror_url="/down"),
        (),
        {"problem": {"code": "http_status", "attempts": 2}},
    ),
]


@pytest.fixture(scope="module")
async def calling(
    temporal_address: str, worker_settings: Settings
) -> AsyncIterator[tuple[Runner, World]]:
    """A runner whose worker may call loopback, and the world there."""
    settings = worker_settings.model_copy(update={"pilot_allowed_hosts": ["127.0.0.1"]})
    async with gallery_world() as world, PilotPlugin.open(settings) as plugin:
        client = await Client.connect(temporal_address, plugins=[plugin])
        runner = Runner(client, task_queue=f"gallery-{uuid.uuid4()}")
        async with Worker(client, task_queue=runner.task_queue):
            yield runner, world


@pytest.fixture
async def store(worker_settings: Settings) -> AsyncIterator[Store]:
    opened = await open_store(worker_settings)
    yield opened
    await opened.close()


async def with_what_it_calls(store: Store, owner: str, template: str) -> dict[str, Any]:
    """The template's graph, once the workflows that it calls are stored as the owner's."""
    *called, last = with_companions(templates()[template])
    saved: dict[str, tuple[str, None]] = {}
    for one in called:
        graph = resolved(one.graph.to_json(), saved)
        made = await store.create_workflow(owner, name=one.name, description="", graph=graph)
        saved[f"{one.id}.json"] = made.id, None
    return resolved(last.graph.to_json(), saved)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.template)
async def test_it_does_what_it_says(
    calling: tuple[Runner, World], model: OpenAIServer, store: Store, case: Case
) -> None:
    runner, world = calling
    world.posted.clear()
    model.script(*case.script)
    value = case.input(world)
    body = await with_what_it_calls(store, "u", case.template)
    edges = [
        f"{edge['source']}:{edge.get('source_handle', 'default')}>{edge['target']}"
        for edge in body["edges"]
    ]
    output = await runner.run(body["nodes"], *edges, input=value)
    if case.output is None:
        assert output["problem"].startswith(f"{value['url']} cannot be read: ")
    else:
        assert output == case.output
    assert tuple(world.posted) == case.posted


@pytest.mark.parametrize("template", templates().values(), ids=lambda one: one.id)
def test_it_is_whole(template: Any) -> None:
    assert validate(template.graph, specs()) == []
    assert len(template.description) > 30
    assert all(
        node.position is not None and node.config.get("name") for node in template.graph.nodes
    )


def test_there_are_enough_and_all_of_these_are_described() -> None:
    ran = {case.template for case in CASES}
    assert len(ran) >= 12
    assert set(templates()) == {file.stem for file in EXAMPLES.glob("*.json")}
    for name in ran:
        template = templates()[name]
        assert template.tags
        schema = graph_input_schema(template.graph) or {}
        assert set(template.sample_input) <= set(schema["properties"])
        assert set(schema.get("required", ())) <= set(template.sample_input)
