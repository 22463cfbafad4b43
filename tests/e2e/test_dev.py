"""`pilot dev` where it cannot start."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.stack import ANY_PORTS, Stack, pilot


def test_a_port_in_use_is_named_with_its_flag(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for flag in ("--port", "--temporal-port", "--ui-port"):
            arguments = [*ANY_PORTS]
            arguments[arguments.index(flag) + 1] = str(port)
            result = pilot("dev", *arguments, cwd=tmp_path)
            assert result.returncode == 2
            assert result.stdout == ""
            assert result.stderr.startswith(f"pilot: port {port} is in use")
            assert flag in result.stderr
            assert len(result.stderr.splitlines()) == 1


def test_one_data_folder_is_for_one_stack(stack: Stack) -> None:
    result = stack.pilot("dev", *ANY_PORTS)
    assert result.returncode == 2
    assert "runs on" in result.stderr
    assert str(stack.process.pid) in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_part_that_cannot_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    result = pilot(
        "dev", *ANY_PORTS, cwd=tmp_path, environment={"DATABASE_URL": "mysql://nowhere/at-all"}
    )
    assert result.returncode == 2
    assert "the store could not be prepared" in result.stderr
    assert "mysql" in result.stderr


def test_the_issuer_is_off_where_clerk_is_set(tmp_path: Path) -> None:
    for environment in (
        {"CLERK_JWT_ISSUER": "https://clerk.example"},
        {"PILOT_ENV": "production"},
    ):
        result = pilot("token", cwd=tmp_path, environment=environment)
        assert result.returncode == 2
        assert "issuer is off" in result.stderr
        assert result.stdout == ""
