"""Users by their e-mail address, from a server that answers as Clerk's Backend API does."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from api.directory import Directory
from api.problems import Problem
from tests.api.conftest import Api, chain
from tests.openai_server import serve

KEY = "sk_test_secret"


def user(id: str, *addresses: tuple[str, str]) -> dict[str, Any]:
    """A user of Clerk's, with addresses and the state of their verification."""
    nothing = dict.fromkeys(
        [
            "external_id",
            "primary_email_address_id",
            "primary_phone_number_id",
            "primary_web3_wallet_id",
            "username",
            "first_name",
            "last_name",
            "mfa_enabled_at",
            "mfa_disabled_at",
            "last_sign_in_at",
            "lockout_expires_in_seconds",
            "verification_attempts_remaining",
            "last_active_at",
            "legal_accepted_at",
            "locale",
        ]
    )
    never = dict.fromkeys(
        [
            "has_image",
            "password_enabled",
            "two_factor_enabled",
            "totp_enabled",
            "backup_code_enabled",
            "banned",
            "locked",
            "delete_self_enabled",
            "create_organization_enabled",
        ],
        False,
    )
    none = {
        name: []
        for name in [
            "phone_numbers",
            "web3_wallets",
            "passkeys",
            "external_accounts",
            "saml_accounts",
            "enterprise_accounts",
        ]
    }
    return {
        **nothing,
        **never,
        **none,
        "id": id,
        "object": "user",
        "public_metadata": {},
        "created_at": 1,
        "updated_at": 1,
        "email_addresses": [
            {
                "id": f"idn_{index}",
                "object": "email_address",
                "email_address": address,
                "reserved": False,
                "linked_to": [],
                "created_at": 1,
                "updated_at": 1,
                "verification": {
                    "object": "verification_otp",
                    "status": status,
                    "strategy": "email_code",
                    "attempts": 1,
                    "expire_at": 1,
                },
            }
            for index, (address, status) in enumerate(addresses)
        ],
    }


class Clerk:
    def __init__(self) -> None:
        self.users: list[dict[str, Any]] = []
        self.status = 200
        self.asked: list[tuple[str, list[str]]] = []

    async def answer(self, request: Request) -> JSONResponse:
        wanted = request.query_params.getlist("email_address")
        self.asked.append((request.headers["authorization"], wanted))
        found = [
            one
            for one in self.users
            if {address["email_address"] for address in one["email_addresses"]} & set(wanted)
        ]
        return JSONResponse(found if self.status == 200 else {"errors": []}, self.status)


@pytest.fixture
async def clerk() -> AsyncIterator[tuple[Clerk, Directory]]:
    fake = Clerk()
    async with serve(Starlette(routes=[Route("/users", fake.answer)])) as port:
        yield fake, Directory(SecretStr(KEY), f"http://127.0.0.1:{port}")


async def test_a_confirmed_address_names_its_user(clerk: tuple[Clerk, Directory]) -> None:
    fake, directory = clerk
    fake.users = [
        user("user_bob", ("bob@example.com", "verified")),
        user("user_eve", ("ada@example.com", "unverified"), ("eve@example.com", "verified")),
    ]
    assert await directory.user_id("bob@example.com") == "user_bob"
    assert fake.asked == [(f"Bearer {KEY}", ["bob@example.com"])]
    for unknown in ("ada@example.com", "nobody@example.com"):
        with pytest.raises(Problem) as caught:
            await directory.user_id(unknown)
        assert (caught.value.status_code, caught.value.code) == (422, "unknown_user")


async def test_clerk_down_is_503(
    clerk: tuple[Clerk, Directory], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.directory.LIMIT_S", 0.5)
    fake, directory = clerk
    fake.status = 500
    nowhere = Directory(SecretStr(KEY), "http://127.0.0.1:9")
    for broken in (directory, nowhere):
        with pytest.raises(Problem) as caught:
            await broken.user_id("bob@example.com")
        assert (caught.value.status_code, caught.value.code) == (503, "directory_unavailable")
        assert KEY not in str(caught.value)


async def test_a_workflow_is_shared_by_e_mail(
    api: Api, clerk: tuple[Clerk, Directory], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, directory = clerk
    bob = f"user_{uuid4().hex[:8]}"
    fake.users = [user(bob, ("bob@example.com", "verified"))]
    ada = api.client("ada")
    workflow = (await ada.post("/api/v1/workflows", json={"name": "x", **chain()})).json()["id"]
    url = f"/api/v1/workflows/{workflow}/shares/bob@example.com"
    refused = await ada.put(url, json={"role": "viewer"})
    assert (refused.status_code, refused.json()["code"]) == (422, "no_directory")
    from api.shares import routes

    whole = routes._user_of
    parts = dataclasses.replace(api.parts, directory=directory)
    monkeypatch.setattr(routes, "_user_of", lambda _parts, email: whole(parts, email))
    answer = await ada.put(url, json={"role": "viewer"})
    assert (answer.status_code, answer.json()["grantee"]) == (200, bob)
    assert (await api.client(bob).get(f"/api/v1/workflows/{workflow}")).status_code == 200
