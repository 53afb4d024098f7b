"""As much of Redis' protocol (RESP 2) as a queue needs: https://redis.io/docs/latest/develop/reference/protocol-spec/"""

import socket


class Queue:
    def __init__(self, host: str, port: int = 6379) -> None:
        self._file = socket.create_connection((host, port), timeout=30).makefile("rwb")

    def take(self, name: str, seconds: int) -> bytes | None:
        """The oldest entry; None when none comes in time."""
        found = self._ask("BRPOP", name, str(seconds))
        return None if found is None else found[1]

    def _ask(self, *words: str):
        parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
        self._file.write(f"*{len(words)}\r\n{''.join(parts)}".encode())
        self._file.flush()
        return self._answer()

    def _answer(self):
        line = self._file.readline()
        if line == b"":
            raise ConnectionError("redis closed the connection")
        kind, rest = line[:1], line[1:].strip()
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"$":
            return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self._answer() for _ in range(int(rest))]
        return rest
