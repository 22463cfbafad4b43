"""Confines the process that runs it, then turns it into another program for good.

Run as a script by `activities.launcher`, in place of the sandbox's own binary:

    python -I -S confinement.py '{"memory_bytes": ..., "readable": [...]}' BINARY ARGUMENT...

It imports nothing of ours and nothing that is slow: its start is part of every subprocess's.
What it puts on, each where the system has it (the layers' names in quotes):

- "rlimits": address space, files, file sizes, core dumps; no environment, a session of its
  own, no descriptor but stdin and stdout (stderr is /dev/null);
- "no_new_privs": no privilege is won by exec, and all capabilities are dropped;
- "landlock" (Linux 5.13): of all files only the binary and its libraries can be read, and
  only the binary run; no TCP (6.7), no signals or abstract sockets to others (6.12);
- "seccomp": an allow-list of the system calls that an interpreter without files needs. No
  sockets, no processes, no file opened to be written, no `ptrace`; exec once, now.

Sources: landlock(7), seccomp(2), and linux/landlock.h, linux/seccomp.h, linux/filter.h.
"""

import ctypes
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterable

EXEC_FD = 100
"""The number of the binary's descriptor, the only one that may be run. It is closed by exec,
and lies above the limit on descriptors, so no other can ever take its place."""
MAX_FILES = 16

# -- seccomp -----------------------------------------------------------------------------


def _numbers(text: str) -> dict[str, int]:
    return {name: int(number) for name, _, number in (part.partition("=") for part in text.split())}


_ALLOWED = {
    "x86_64": _numbers(
        """
    read=0 write=1 close=3 fstat=5 poll=7 lseek=8 mmap=9 mprotect=10 munmap=11 brk=12
    rt_sigaction=13 rt_sigprocmask=14 rt_sigreturn=15 pread64=17 readv=19 writev=20
    sched_yield=24 mremap=25 madvise=28 nanosleep=35 getpid=39 exit=60 uname=63 gettimeofday=96
    sysinfo=99 getuid=102 getgid=104 geteuid=107 getegid=108 sigaltstack=131 arch_prctl=158
    gettid=186 time=201 futex=202 sched_getaffinity=204 set_tid_address=218 restart_syscall=219
    clock_gettime=228 clock_getres=229 clock_nanosleep=230 exit_group=231 ppoll=271
    set_robust_list=273 getcpu=309 getrandom=318 membarrier=324 rseq=334
    """
    ),
    "aarch64": _numbers(
        """
    close=57 lseek=62 read=63 write=64 readv=65 writev=66 pread64=67 ppoll=73 fstat=80 exit=93
    exit_group=94 set_tid_address=96 futex=98 set_robust_list=99 nanosleep=101 clock_gettime=113
    clock_getres=114 clock_nanosleep=115 sched_getaffinity=123 sched_yield=124
    restart_syscall=128 sigaltstack=132 rt_sigaction=134 rt_sigprocmask=135 rt_sigreturn=139
    uname=160 getcpu=168 gettimeofday=169 getpid=172 getuid=174 geteuid=175 getgid=176
    getegid=177 gettid=178 sysinfo=179 brk=214 munmap=215 mremap=216 mmap=222 mprotect=226
    madvise=233 getrandom=278 membarrier=283 rseq=293
    """
    ),
}
_CONDITIONAL = {
    "x86_64": _numbers(
        "openat=257 clone=56 execveat=322 tgkill=234 prctl=157 prlimit64=302 newfstatat=262"
    ),
    "aarch64": _numbers(
        "openat=56 clone=220 execveat=281 tgkill=131 prctl=167 prlimit64=261 newfstatat=79"
    ),
}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE3 = 435

_LOAD, _JEQ, _JSET, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _DENY, _NO_SUCH_CALL, _KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000

_Instruction = tuple[int, int, int, int]

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CLONE_THREAD = 0x10000
_AT_EMPTY_PATH = 0x1000
_PR_SET_NAME = 15


def _conditions(pid: int) -> dict[str, list[tuple[int, int, int, bool]]]:
    """Calls that are allowed on certain arguments: the argument's offset, how it is compared
    to which value, and the answer that is wanted."""

    def argument(index: int) -> int:
        return 16 + 8 * index

    return {
        "openat": [(argument(2), _JSET, _WRITING, False)],
        "clone": [(argument(0), _JSET, _CLONE_THREAD, True)],
        "execveat": [
            (argument(0), _JEQ, EXEC_FD, True),
            (argument(4), _JEQ, _AT_EMPTY_PATH, True),
        ],
        "tgkill": [(argument(0), _JEQ, pid, True)],
        "prctl": [(argument(0), _JEQ, _PR_SET_NAME, True)],
        # limits are read, not set: they could be another process's; a pointer has two halves
        "prlimit64": [(argument(2), _JEQ, 0, True), (argument(2) + 4, _JEQ, 0, True)],
        "newfstatat": [(argument(3), _JSET, _AT_EMPTY_PATH, True)],
    }


def seccomp_filter(machine: str, pid: int) -> bytes | None:
    """The BPF program as bytes, for the process `pid` alone; None for an unknown machine."""
    if machine not in _ALLOWED:
        return None
    program: list[_Instruction] = [
        (_LOAD, 0, 0, 4),
        (_JEQ, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
    ]
    program.append((_LOAD, 0, 0, 0))
    for number in _ALLOWED[machine].values():
        program += [(_JEQ, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    # the C library falls back from clone3 to clone, whose flags can be looked at
    program += [(_JEQ, 0, 1, _CLONE3), (_RETURN, 0, 0, _NO_SUCH_CALL)]
    for name, tests in _conditions(pid).items():
        block: list[_Instruction] = []
        for offset, jump, value, wanted in tests:
            block.append((_LOAD, 0, 0, offset))
            block.append((jump, 1, 0, value) if wanted else (jump, 0, 1, value))
            block.append((_RETURN, 0, 0, _DENY))
        block.append((_RETURN, 0, 0, _ALLOW))
        program += [(_JEQ, 0, len(block), _CONDITIONAL[machine][name]), *block]
    program.append((_RETURN, 0, 0, _DENY))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _put_on_seccomp(libc: ctypes.CDLL) -> bool:
    program = seccomp_filter(os.uname().machine, os.getpid())
    if program is None:
        return False
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    return bool(libc.prctl(22, 2, ctypes.c_char_p(filter_), 0, 0) == 0)


# -- Landlock ----------------------------------------------------------------------------

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_EXECUTE, _READ_FILE = 1 << 0, 1 << 2
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_ALL_FILE_RIGHTS = (1 << 16) - 1  # from version 5
_NET_RIGHTS, _SCOPES = 0b11, 0b11


def _put_on_landlock(libc: ctypes.CDLL, binary: str, readable: Iterable[str]) -> bool:
    abi = libc.syscall(_CREATE, None, ctypes.c_size_t(0), 1)
    if abi < 1:
        return False
    attributes = struct.pack(
        "=QQQ",
        _FILE_RIGHTS.get(abi, _ALL_FILE_RIGHTS),
        _NET_RIGHTS if abi >= 4 else 0,
        _SCOPES if abi >= 6 else 0,
    )
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = libc.syscall(_CREATE, ctypes.c_char_p(attributes), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    for path in (binary, *readable):
        try:
            target = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        # a program's loader is run with it
        rights = _READ_FILE | (_EXECUTE if path == binary or "/ld-" in path else 0)
        rule = struct.pack("=Qi", rights, target)
        libc.syscall(_ADD_RULE, ruleset, 1, ctypes.c_char_p(rule), 0)
        os.close(target)
    done = bool(libc.syscall(_RESTRICT, ruleset, 0) == 0)
    os.close(ruleset)
    return done


# -- all of it ---------------------------------------------------------------------------


def _put_on_rlimits(memory_bytes: int) -> None:
    limits = {
        "RLIMIT_AS": memory_bytes,
        "RLIMIT_NOFILE": MAX_FILES,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
    }
    for name, wanted in limits.items():
        number = getattr(resource, name, None)
        if number is not None:
            _, hard = resource.getrlimit(number)
            limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(number, (limit, limit))
    # beyond its limit a write fails instead of ending the process
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    header = struct.pack("=Ii", 0x20080522, 0)
    libc.capset(ctypes.c_char_p(header), ctypes.c_char_p(bytes(24)))


def confine(binary: str, memory_bytes: int, readable: Iterable[str]) -> list[str]:
    """Puts on every layer that the system has; their names, the outermost first. The
    descriptor `EXEC_FD` is open on the binary afterwards."""
    if hasattr(os, "setsid") and os.getpid() != os.getsid(0):
        os.setsid()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.closerange(3, 1024)
    opened = os.open(binary, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(opened, EXEC_FD, inheritable=False)
    os.close(opened)
    if sys.platform != "linux":
        _put_on_rlimits(memory_bytes)
        return ["rlimits"]
    libc = ctypes.CDLL(None, use_errno=True)
    layers = ["rlimits"]
    # without privileges to lose first, the kernel takes no filter of an ordinary user
    if libc.prctl(38, 1, 0, 0, 0) == 0:
        layers.append("no_new_privs")
    _drop_capabilities(libc)
    if _put_on_landlock(libc, binary, readable):
        layers.append("landlock")
    _put_on_rlimits(memory_bytes)
    if _put_on_seccomp(libc):
        layers.append("seccomp")
    return layers


def main(options: str, binary: str, *arguments: str) -> None:
    given = json.loads(options)
    layers = confine(binary, given["memory_bytes"], given["readable"])
    if not arguments:
        os.write(1, json.dumps(layers).encode())
        os._exit(0)
    numbers = _CONDITIONAL.get(os.uname().machine)
    if sys.platform != "linux" or numbers is None:
        os.execve(binary, [binary, *arguments], {})  # noqa: S606
    argv = [os.fsencode(text) for text in (binary, *arguments)]
    ctypes.CDLL(None).syscall(
        numbers["execveat"],
        EXEC_FD,
        ctypes.c_char_p(b""),
        (ctypes.c_char_p * (len(argv) + 1))(*argv, None),
        (ctypes.c_char_p * 1)(None),
        _AT_EMPTY_PATH,
    )
    os._exit(126)


if __name__ == "__main__":
    main(*sys.argv[1:])
