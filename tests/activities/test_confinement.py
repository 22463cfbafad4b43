"""What holds a subprocess of the sandbox that somebody has taken over, layer by layer.

The process that tries is Python, confined by the same code in the same way.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from activities import confinement
from activities.code_program import Allowance, Program
from activities.confinement import seccomp_filter
from activities.launcher import launcher
from activities.sandbox import CPU_GRACE_S, _limit_cpu, open_sandbox
from pilot.graph.task import Scope
from pilot.nodes.code import CodeConfig, Limits

LAYERS = ("rlimits", "no_new_privs", "landlock", "seccomp")

linux = pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")

PRELUDE = """
import ctypes, errno, json, os, resource, signal, socket, sys
sys.path.insert(0, {folder!r})
import confinement
for layer in {off!r}:
    setattr(confinement, "_put_on_" + layer, lambda *_: False)
parent, libc = os.getppid(), ctypes.CDLL(None, use_errno=True)
layers = confinement.confine(sys.executable, 400_000_000, [])
seen = {{"layers": layers}}

def attempt(name, function, *arguments):
    try:
        result = function(*arguments)
        seen[name] = "done" if not isinstance(result, int) or result >= 0 else "refused"
    except OSError as error:
        seen[name] = errno.errorcode[error.errno]
    except MemoryError:
        seen[name] = "ENOMEM"
    except (OverflowError, ValueError) as error:
        seen[name] = str(error)

def connect():
    with socket.socket() as client:
        client.connect(("127.0.0.1", {port}))

def called(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "")

def fork():
    if os.fork() == 0:
        os._exit(0)

def execute():
    shell = ("/bin/sh", ["sh", "-c", "exit 0"])
    try:
        child = os.fork()
    except PermissionError:
        os.execv(*shell)
    if child == 0:
        try:
            os.execv(*shell)
        except OSError as error:
            os._exit(error.errno)
    if code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise OSError(code, "")

attempt("read", os.open, "/etc/passwd", os.O_RDONLY)
attempt("list", os.listdir, "/")
attempt("write", os.open, {target!r}, os.O_WRONLY | os.O_CREAT)
attempt("socket", socket.socket)
attempt("connect", connect)
attempt("unix", socket.socket, socket.AF_UNIX)
attempt("fork", fork)
attempt("exec", execute)
attempt("memory", bytearray, 600_000_000)
attempt("kill", os.kill, parent, 0)
attempt("ptrace", called, 101 if os.uname().machine == "x86_64" else 117, 16, parent, 0, 0)
attempt("limits", resource.prlimit, parent, resource.RLIMIT_CORE, (0, 0))
attempt("memfd", called, 319 if os.uname().machine == "x86_64" else 279, b"x", 0)
attempt("raise", resource.setrlimit, resource.RLIMIT_AS, (2**40, 2**40))
seen["core"] = resource.getrlimit(resource.RLIMIT_CORE)[0] if "seccomp" not in layers else 0
os.write(1, json.dumps(seen).encode())
os._exit(0)
"""


async def tried(*off: str, port: int = 9) -> dict[str, Any]:
    """What a confined process could do, without the layers `off`."""
    folder = str(Path(confinement.__file__).parent)
    with tempfile.TemporaryDirectory() as scratch:
        source = PRELUDE.format(folder=folder, off=off, port=port, target=f"{scratch}/written")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", source, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
    assert process.returncode == 0
    seen: dict[str, Any] = json.loads(output)
    return seen


@linux
async def test_all_layers_leave_a_captured_process_nothing() -> None:
    seen = await tried()
    layers = seen.pop("layers")
    if tuple(layers) != LAYERS:
        pytest.skip(f"this system has only {layers}")
    assert "done" not in seen.values()
    assert seen["memory"] == "ENOMEM"
    refused = {name for name, said in seen.items() if said in ("EPERM", "EACCES")}
    assert refused >= {
        "read", "list", "write", "socket", "connect", "unix", "fork", "exec", "kill", "ptrace",
        "limits", "memfd",
    }  # fmt: skip


@linux
async def test_landlock_alone_holds_files_and_tcp() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        bare = await tried("landlock", "seccomp", port=port)
        seen = await tried("seccomp", port=port)
    if "landlock" not in seen["layers"]:
        pytest.skip("this kernel has no Landlock")
    assert (bare["read"], bare["list"]) == ("done", "done")
    assert (seen["read"], seen["list"], seen["write"]) == ("EACCES", "EACCES", "EACCES")
    assert seen["exec"] == "EACCES"
    assert (bare["connect"], seen["socket"]) == ("done", "done")
    assert seen["connect"] in ("EACCES", "done"), "TCP is Landlock's from Linux 6.7"


@linux
async def test_seccomp_alone_holds_network_and_processes() -> None:
    seen = await tried("landlock")
    if "seccomp" not in seen["layers"]:
        pytest.skip("this machine has no filter")
    assert seen["read"] == "done", "reading files is Landlock's to refuse"
    for name in ("write", "socket", "unix", "fork", "exec", "kill", "ptrace", "limits", "memfd"):
        assert seen[name] == "EPERM", name


@linux
async def test_rlimits_alone_hold_memory_files_and_cores() -> None:
    seen = await tried("landlock", "seccomp")
    assert seen["layers"] == ["rlimits", "no_new_privs"]
    assert seen["memory"] == "ENOMEM"
    assert seen["core"] == 0
    assert seen["raise"] != "done"


def test_the_filter_of_an_unknown_machine_is_none() -> None:
    assert seccomp_filter("sparc64", 1) is None
    for machine in ("x86_64", "aarch64"):
        program = seccomp_filter(machine, 1)
        assert program is not None
        assert 8 * 100 < len(program) < 8 * 4096
    assert seccomp_filter("x86_64", 1) != seccomp_filter("x86_64", 2)


@linux
async def test_subprocesses_start_fast_confined_with_nothing_inherited() -> None:
    os.environ["PILOT_TEST_SECRET"] = "visible"
    before = set(psutil.Process().children())
    try:
        async with open_sandbox(processes=1) as sandbox:
            [process] = set(psutil.Process().children()) - before
            program = Program.of(CodeConfig(source="1"), Scope())
            await sandbox.run(program, Allowance.of(Limits()), lambda *_: None)
            assert sandbox.layers[0] == "rlimits"
            assert process.environ() == {}
            assert os.getsid(process.pid) == process.pid
            assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
            assert process.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
            descriptors = {each.name for each in Path(f"/proc/{process.pid}/fd").iterdir()}
            assert descriptors == {"0", "1", "2"}
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert "NoNewPrivs:\t1" in status
            assert "CapEff:\t0000000000000000" in status
            if "seccomp" in sandbox.layers:
                assert "Seccomp:\t2" in status
    finally:
        del os.environ["PILOT_TEST_SECRET"]


@linux
async def test_a_start_takes_less_than_a_tenth_of_a_second() -> None:
    async with launcher(64 * 1024 * 1024) as found:
        assert found.layers
        times = []
        for _ in range(7):
            began = time.perf_counter()
            process = await asyncio.create_subprocess_exec(
                found.path, "--version", stdout=asyncio.subprocess.PIPE
            )
            await process.communicate()
            times.append(time.perf_counter() - began)
        assert min(times) < 0.1


async def test_a_binary_that_cannot_be_confined_is_given_as_it_is(tmp_path: Path) -> None:
    script = tmp_path / "monty"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o700)
    async with launcher(1_000_000, str(script)) as found:
        assert (found.path, found.layers) == (str(script), ())


@linux
async def test_a_run_has_no_more_cpu_time_than_its_limit_and_a_little() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "30")
    try:
        _limit_cpu(process.pid, 3)
        soft, _ = psutil.Process(process.pid).rlimit(psutil.RLIMIT_CPU)
        assert soft == 3 + CPU_GRACE_S
    finally:
        process.kill()
        await process.wait()


def test_limits_hold_below_the_operators() -> None:
    asked = Limits(time_s=300, memory_mb=10, output_kb=100, logs_kb=1)
    ceiling = Limits(time_s=2, memory_mb=64, output_kb=50, logs_kb=50)
    assert asked.within(ceiling) == Limits(time_s=2, memory_mb=10, output_kb=50, logs_kb=1)
