"""A large value on its way to the payload store, in a file instead of in memory.

The file has no name, so that it goes with its process, and is encrypted by a key that nobody else
has: what is sealed everywhere else does not lie open on a worker's disk meanwhile. It is in the
folder for temporary files (TMPDIR).
"""

from __future__ import annotations

import os
from tempfile import TemporaryFile

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

BLOCK = 16


class Spool:
    """Bytes, appended and then read by their place. `OSError` where the disk is full."""

    def __init__(self) -> None:
        self._file = TemporaryFile(buffering=0)  # noqa: SIM115 (closed by `close`)
        self._key = AES(os.urandom(32))
        self._encryptor = Cipher(self._key, CTR(bytes(BLOCK))).encryptor()
        self.size = 0

    def __len__(self) -> int:
        return self.size

    def write(self, data: bytes | bytearray) -> None:
        rest = memoryview(self._encryptor.update(data))
        while rest:
            rest = rest[self._file.write(rest) :]
        self.size += len(data)

    def read(self, begin: int = 0, end: int | None = None) -> bytes:
        """The bytes from `begin` to before `end`, or to the last."""
        end = self.size if end is None else min(end, self.size)
        block, skipped = divmod(begin, BLOCK)
        decryptor = Cipher(self._key, CTR(block.to_bytes(BLOCK, "big"))).decryptor()
        decryptor.update(bytes(skipped))
        return decryptor.update(os.pread(self._file.fileno(), max(end - begin, 0), begin))

    def close(self) -> None:
        self._file.close()

    def __del__(self) -> None:
        self.close()
