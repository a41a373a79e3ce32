"""HTTP to a tracking server within limits: nothing that it sends or withholds takes time or memory without end."""

import http.client
import io
import socket
from collections.abc import Iterator
from contextvars import ContextVar
from time import monotonic
from typing import Any

import requests
from mlflow.utils import request_utils
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

CALL_SECONDS = 30  # for a call, with all of its answer
CALL_BYTES = 64_000_000  # of its answer, unpacked
STALL_SECONDS = 30  # in which a transfer of files moves at least a byte
RATE_SECONDS, SLOWEST = 60, 10_000  # in which it moves at least so many bytes a second


class LimitExceeded(Exception):
    """A server went beyond a limit: no kind of error that urllib3 or requests would catch and go on from."""


class Limit:
    """The time that one request may take: `CALL_SECONDS`, or without end for a transfer that is fast enough."""

    def __init__(self, upload: bool, download: bool):
        self.upload = upload
        self.begin(upload or download)

    def begin(self, transfer: bool) -> None:
        """Begin to measure the time, of a transfer or of a call."""
        self.transfer, self.start, self.moved = transfer, monotonic(), 0

    def wait_seconds(self) -> float:
        """Return how long to wait for the next bytes: `STALL_SECONDS` in a transfer, else what a call has left."""
        return STALL_SECONDS if self.transfer else max(0.001, self.start + CALL_SECONDS - monotonic())

    def count(self, moved: int) -> None:
        """Count bytes that were moved, or 0; raise where the call takes too long or the transfer is too slow.

        Raises:
            LimitExceeded: The call takes too long, or the transfer is too slow.
        """
        self.moved += moved
        seconds = monotonic() - self.start
        if not self.transfer and seconds >= CALL_SECONDS:
            raise LimitExceeded(f"no whole answer within {CALL_SECONDS} s")
        if self.transfer and seconds >= RATE_SECONDS:
            if self.moved < SLOWEST * seconds:
                raise LimitExceeded(f"less than {SLOWEST / 1000:g} kB/s for {RATE_SECONDS} s")
            self.begin(transfer=True)


LIMIT: ContextVar[Limit] = ContextVar("LIMIT")  # of the request in hand


class BoundedReader(io.RawIOBase):
    """What comes from a server, read under the limit of its request."""

    def __init__(self, stream: io.RawIOBase, connection: socket.socket):
        self.stream, self.connection, self.limit = stream, connection, LIMIT.get()
        self.timeout = connection.gettimeout() or STALL_SECONDS
        if self.limit.upload:  # whose bytes are sent by now
            self.limit.begin(transfer=False)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self.connection.settimeout(min(self.timeout, self.limit.wait_seconds()))
        try:
            count = self.stream.readinto(buffer)
        except TimeoutError:
            self.limit.count(0)
            raise
        self.limit.count(count or 0)
        return count

    def close(self) -> None:
        self.stream.close()
        super().close()


class BoundedAnswer(http.client.HTTPResponse):
    """An answer of which every byte, from its first line on, is read under the limit of its request."""

    def __init__(self, connection: socket.socket, *arguments: Any, **options: Any):
        super().__init__(connection, *arguments, **options)
        self.fp = io.BufferedReader(BoundedReader(self.fp.detach(), connection))


class BoundedHTTP(HTTPConnection):
    """A connection by http that sends and receives under the limit of its request."""

    response_class = BoundedAnswer

    def send(self, data: Any) -> None:
        super().send(data)
        LIMIT.get().count(len(data))


class BoundedHTTPS(BoundedHTTP, HTTPSConnection):
    """The same by https."""


class HTTPPool(HTTPConnectionPool):
    """Connections by http to one host."""

    ConnectionCls = BoundedHTTP


class HTTPSPool(HTTPSConnectionPool):
    """Connections by https to one host."""

    ConnectionCls = BoundedHTTPS


POOLS = {"http": HTTPPool, "https": HTTPSPool}


class BoundedAdapter(request_utils.TCPKeepAliveHTTPAdapter):
    """MLflow's adapter, whose requests end within limits: files up and down as transfers, all else as calls."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def send(self, request: requests.PreparedRequest, stream: bool = False, **options: Any) -> requests.Response:
        """Return the answer to a request, whose body is still to be read.

        Raises:
            LimitExceeded: The server went beyond a limit; reading the body raises it too.
        """
        limit = Limit(upload=hasattr(request.body, "read"), download=stream)
        LIMIT.set(limit)
        response = super().send(request, stream, **options)
        if not (stream and response.status_code < 300):
            if limit.transfer:  # but no file comes
                limit.begin(transfer=False)
            pieces = response.iter_content
            response.iter_content = lambda *size, **how: within_size(response, pieces(*size, **how))
        return response


def within_size(response: requests.Response, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the pieces of the answer to a call; close it and raise once they are more than `CALL_BYTES`.

    Raises:
        LimitExceeded: There are more than `CALL_BYTES`.
    """
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > CALL_BYTES:
            response.close()
            raise LimitExceeded(f"an answer of more than {CALL_BYTES / 1e6:g} MB")
        yield piece


def bound_requests() -> None:
    """Put all requests of MLflow's client in this process under the limits."""
    request_utils.TCPKeepAliveHTTPAdapter = BoundedAdapter  # type: ignore[misc]
    request_utils._cached_get_request_session.cache_clear()
