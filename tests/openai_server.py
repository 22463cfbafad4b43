"""An OpenAI-compatible server on loopback, scripted: the one fake of the tests, because the
real thing costs money.

    async with openai_server() as server:
        server.script(Reply(text="hello"), Failure(429, retry_after="2"))
        ... call server.base_url ...
        assert server.requests[0]["model"] == "gpt-3.5-turbo"

Each request takes the next step of the script; without one it is answered by an echo of the
last user message. `answer` stands instead of the script where requests come in no order of
their own. Usage is counted in words.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


@dataclass(frozen=True)
class Reply:
    """An answer, streamed in words with a pause between them. With `cut_after` the connection
    breaks after so many words, with `stall_after` it goes silent until the client leaves, or until
    `release` is set."""

    text: str = "hello from the fake"
    pause_s: float = 0.0
    finish_reason: str = "stop"
    cut_after: int | None = None
    stall_after: int | None = None
    release: asyncio.Event | None = None
    usage: dict[str, int] | None = None


@dataclass(frozen=True)
class Calls:
    """An answer that calls tools: (name, arguments), the arguments as JSON or as raw text. With
    `without_ids` the server names no call, as some do."""

    calls: tuple[tuple[str, Any], ...]
    text: str = ""
    without_ids: bool = False

    def message(self) -> dict[str, Any]:
        calls = [
            {
                "id": None if self.without_ids else f"id{index}",
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": given if isinstance(given, str) else json.dumps(given),
                },
            }
            for index, (name, given) in enumerate(self.calls)
        ]
        return {"role": "assistant", "content": self.text or None, "tool_calls": calls}


def calls(*given: tuple[str, Any], text: str = "", without_ids: bool = False) -> Calls:
    return Calls(given, text, without_ids)


@dataclass(frozen=True)
class Failure:
    """An error answer. `body` stands instead of OpenAI's error object, as bytes or JSON."""

    status: int
    message: str = "scripted failure"
    code: str | None = None
    retry_after: str | None = None
    body: bytes | dict[str, Any] | None = None


@dataclass
class OpenAIServer:
    base_url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    left: list[float] = field(default_factory=list)
    """When clients went away in the middle of an answer (monotonic seconds)."""
    streaming: int = 0
    """How many answers are being streamed."""
    most_streaming: int = 0
    answer: Callable[[dict[str, Any]], Awaitable[Reply | Calls | Failure]] | None = None
    """Given the request's body, after as long as it likes."""
    _script: deque[Reply | Calls | Failure] = field(default_factory=deque)

    def script(self, *steps: Reply | Calls | Failure) -> None:
        self._script.extend(steps)

    def reset(self) -> None:
        self._script.clear()
        self.requests.clear()
        self.headers.clear()
        self.left.clear()

    async def completions(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        step = await self._step(body)
        if isinstance(step, Failure):
            return _failure(step)
        if isinstance(step, Calls):
            return self._calling(body, step)
        usage = step.usage or _usage(body, step.text)
        if body.get("stream"):
            return StreamingResponse(
                self._counted(self._stream(body, step, usage)), media_type="text/event-stream"
            )
        if step.stall_after is not None:
            await self._stall(step)
        return JSONResponse(
            {
                "id": "chatcmpl-fake",
                "object": "chat.completion",
                "created": 1,
                "model": body["model"],
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": step.text},
                        "finish_reason": step.finish_reason,
                    }
                ],
                "usage": usage,
            }
        )

    async def _step(self, body: dict[str, Any]) -> Reply | Calls | Failure:
        if self.answer is not None:
            return await self.answer(body)
        return self._script.popleft() if self._script else Reply(text=_echo(body))

    def _calling(self, body: dict[str, Any], step: Calls) -> Response:
        message, usage = step.message(), _usage(body, step.text)
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
            frame = {**_frame(body), "object": "chat.completion"}
            return JSONResponse({**frame, "choices": [choice], "usage": usage})

        async def stream() -> AsyncIterator[bytes]:
            yield _chunk(body, {"role": "assistant", "content": message["content"]})
            for index, call in enumerate(message["tool_calls"]):
                function = call["function"]
                named = {"name": function["name"], "arguments": ""}
                yield _chunk(body, {"tool_calls": [{"index": index, **call, "function": named}]})
                # arguments come in pieces, without id and name
                text = function["arguments"]
                for piece in (text[:3], text[3:]):
                    part = {"index": index, "function": {"arguments": piece}}
                    yield _chunk(body, {"tool_calls": [part]})
            yield _chunk(body, {}, "tool_calls")
            yield _event({**_frame(body), "choices": [], "usage": usage})
            yield b"data: [DONE]\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def _counted(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self.streaming += 1
        self.most_streaming = max(self.most_streaming, self.streaming)
        try:
            async for chunk in stream:
                yield chunk
        finally:
            self.streaming -= 1

    async def _stream(
        self, body: dict[str, Any], step: Reply, usage: dict[str, int]
    ) -> AsyncIterator[bytes]:
        words = step.text.split(" ")
        for index, word in enumerate(words):
            if index == step.cut_after:
                raise ConnectionError("the script cuts the connection")
            if index == step.stall_after:
                await self._stall(step)
            delta = {"content": word if index == 0 else f" {word}"}
            yield _chunk(body, delta if index else {"role": "assistant", **delta})
            await asyncio.sleep(step.pause_s)
        yield _chunk(body, {}, step.finish_reason)
        if (body.get("stream_options") or {}).get("include_usage"):
            yield _event({**_frame(body), "choices": [], "usage": usage})
        yield b"data: [DONE]\n\n"

    async def _stall(self, reply: Reply) -> None:
        try:
            await asyncio.wait_for((reply.release or asyncio.Event()).wait(), 3600)
        except BaseException:
            self.left.append(time.monotonic())
            raise


def _echo(body: dict[str, Any]) -> str:
    content = body["messages"][-1]["content"]
    return f"echo: {content if isinstance(content, str) else json.dumps(content)}"


def _usage(body: dict[str, Any], text: str) -> dict[str, int]:
    prompt = sum(len(str(message.get("content") or "").split()) for message in body["messages"])
    completion = len(text.split())
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _frame(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": body["model"],
    }


def _chunk(body: dict[str, Any], delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _event({**_frame(body), "choices": [choice]})


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _failure(step: Failure) -> Response:
    headers = {"Retry-After": step.retry_after} if step.retry_after else {}
    if isinstance(step.body, bytes):
        return Response(step.body, step.status, headers, media_type="application/json")
    body = step.body or {
        "error": {"message": step.message, "type": "error", "param": None, "code": step.code}
    }
    return JSONResponse(body, step.status, headers)


@asynccontextmanager
async def serve(app: Any) -> AsyncIterator[int]:
    """Runs an ASGI application on a free port of 127.0.0.1, on this event loop."""
    # asyncio sets TCP_NODELAY only where the protocol is named: else each answer waits 40 ms
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1, access_log=False
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await task
        listener.close()


@asynccontextmanager
async def openai_server() -> AsyncIterator[OpenAIServer]:
    """The server, running."""
    fake = OpenAIServer("")
    app = Starlette(
        routes=[Route("/v1/chat/completions", fake.completions, methods=["POST"])],
    )
    async with serve(app) as port:
        fake.base_url = f"http://127.0.0.1:{port}/v1"
        yield fake
