"""Children end with their parent, and leave a log."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from pilot import processes
from pilot.processes import PARENT_PIPE, Child, free_ports, is_free, python_command
from tests.stack import until


def child(tmp_path: Path, source: str) -> Child:
    return Child(
        "part", [sys.executable, "-c", source], log=tmp_path / "logs" / "part.log", env=os.environ
    )


async def test_the_exit_code_and_the_last_words(tmp_path: Path) -> None:
    part = child(tmp_path, "print('one'); print('two'); raise SystemExit(3)")
    part.start()
    assert await part.wait() == 3
    assert part.last_lines(1) == ["two"]


async def test_what_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    part = child(
        tmp_path,
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', "
        "flush=True); time.sleep(60)",
    )
    part.start()
    await until(part.last_lines, within_s=5)
    began = time.monotonic()
    await part.stop(0.3)
    assert 0.2 < time.monotonic() - began < 3
    assert part.pid is not None
    assert not psutil.pid_exists(part.pid)


async def test_grandchildren_of_a_dead_child_are_swept(tmp_path: Path) -> None:
    part = child(
        tmp_path,
        "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True)",
    )
    part.start()
    await part.wait()
    grandchild = int(part.last_lines(1)[0])
    await until(lambda: is_dead(grandchild), within_s=5)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2)")
async def test_a_child_dies_with_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen(  # noqa: ASYNC220
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
                import subprocess, time
                from pilot.processes import die_with_parent
                child = subprocess.Popen(["sleep", "60"], preexec_fn=die_with_parent())
                print(child.pid, flush=True)
                time.sleep(60)
            """),
        ],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    await until(lambda: is_dead(pid), within_s=5)


async def test_a_python_child_ends_when_its_pipe_does(tmp_path: Path) -> None:
    """What other systems than Linux rely on."""
    (tmp_path / "sleeper.py").write_text("import time; print('up', flush=True); time.sleep(60)")
    read, write = os.pipe()
    sleeper = subprocess.Popen(  # noqa: ASYNC220
        python_command("sleeper"),
        env={**os.environ, PARENT_PIPE: str(read), "PYTHONPATH": str(tmp_path)},
        pass_fds=(read,),
        stdout=subprocess.PIPE,
    )
    os.close(read)
    assert sleeper.stdout is not None
    assert sleeper.stdout.readline() == b"up\n"
    os.close(write)
    await until(lambda: sleeper.poll() is not None, within_s=5)
    sleeper.stdout.close()


async def test_a_large_log_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "MAX_LOG_BYTES", 10)
    part = child(tmp_path, "print('twelve chars')")
    for _ in range(3):
        part.start()
        await part.wait()
    assert part.log is not None
    assert part.log.read_text() == "twelve chars\n"
    assert part.log.with_suffix(".log.1").read_text() == "twelve chars\n"


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(is_free(port) for port in ports)


def is_dead(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
