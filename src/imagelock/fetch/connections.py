"""Pools of kept-alive connections: names resolved once, proxies from the environment.

Imported only when the first request is made: urllib3 and ssl are most of a short command's time.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import ssl
import sys
import threading
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from imagelock.model.errors import UsageError

_CONNECTIONS: Final = 32
_RETRIED_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
_LONGEST_WAIT: Final = 60
_TOKEN: Final = re.compile(r"/t/[^/]+/")
_Addresses = list[tuple[Any, ...]]


class _Names:
    """The addresses of each host, asked for once: the resolver may be slow and is not shared."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], _Addresses] = {}
        self._locks: dict[tuple[str, int], threading.Lock] = {}
        self._guard = threading.Lock()

    def addresses(self, host: str, port: int) -> _Addresses:
        """What getaddrinfo said the first time; a failure is not kept."""
        key = (host, port)
        known = self._found.get(key)
        if known is not None:
            return known
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._found:
                self._found[key] = list(
                    socket.getaddrinfo(host.strip("[]"), port, 0, socket.SOCK_STREAM)
                )
            return self._found[key]


_NAMES: Final = _Names()


def _connect(connection: HTTPConnection) -> socket.socket:
    """A socket to the first address that answers."""
    host, port = connection._dns_host, connection.port  # noqa: SLF001 - the name DNS is asked for
    try:
        addresses = _NAMES.addresses(host, port)
    except (socket.gaierror, UnicodeError) as error:
        reason = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
        raise NameResolutionError(connection.host, connection, reason) from error
    failure: OSError = OSError("the name has no address")
    for family, kind, protocol, _name, address in addresses:
        made = socket.socket(family, kind, protocol)
        try:
            for option in connection.socket_options or ():
                made.setsockopt(*option)
            made.settimeout(connection.timeout)
            made.connect(address)
        except OSError as error:
            made.close()
            failure = error
        else:
            sys.audit("http.client.connect", connection, connection.host, port)
            return made
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, f"{connection.host} did not answer") from failure
    raise NewConnectionError(connection, str(failure)) from failure


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    """One context for all connections: loading a bundle of roots takes tens of milliseconds."""
    named = str(ca_file) if ca_file else os.environ.get("SSL_CERT_FILE")
    try:
        context = ssl.create_default_context(cafile=named or None)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"cannot be read as certificates: {error}",
            where=named or "the system's certificates",
            hint="point SSL_CERT_FILE to a PEM file of roots",
        ) from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def _proxy_of(scheme: str) -> str | None:
    """The proxy the environment names for a scheme; upper case HTTP_PROXY is CGI's (httpoxy)."""
    names = [f"{scheme}_proxy"]
    if scheme != "http":
        names.append(f"{scheme.upper()}_PROXY")
    for name in (*names, "all_proxy", "ALL_PROXY"):
        value = os.environ.get(name)
        if value:
            return value if "://" in value else f"http://{value}"
    return None


def _is_exempt(host: str) -> bool:
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    for entry in listed.split(","):
        suffix = entry.strip().lower().lstrip(".")
        if suffix == "*" or (suffix and (host == suffix or host.endswith(f".{suffix}"))):
            return True
    return False


class _NoTokens(logging.Filter):
    """urllib3 logs the path that it asks; a token of a conda channel stands in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record, its texts without tokens."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                _TOKEN.sub("/t/…/", arg) if isinstance(arg, str) else arg for arg in record.args
            )
        return True


for _name in ("urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_NoTokens())


class Connections:
    """The pools of one client, direct and by proxy; safe to use from several threads."""

    def __init__(self, *, ca_file: Path | None = None) -> None:
        self._options: dict[str, Any] = {
            "num_pools": 32,
            "maxsize": _CONNECTIONS,
            "retries": urllib3.Retry(
                total=4,
                # A refused port or a certificate that is not trusted seldom heals in seconds.
                connect=2,
                other=1,
                backoff_factor=0.4,
                status_forcelist=_RETRIED_STATUSES,
                raise_on_status=False,
                allowed_methods=None,
                respect_retry_after_header=True,
                retry_after_max=_LONGEST_WAIT,
            ),
            "timeout": urllib3.Timeout(connect=15, read=60),
            "headers": {"User-Agent": "imagelock/0.1"},
        }
        self._ca_file = ca_file
        self._pools: dict[str | None, urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def for_url(self, url: str) -> urllib3.PoolManager:
        """The pools that reach this URL."""
        parts = urlsplit(url)
        proxy = _proxy_of(parts.scheme)
        if proxy is not None and _is_exempt((parts.hostname or "").lower()):
            proxy = None
        pools = self._pools.get(proxy)
        if pools is None:
            with self._lock:
                pools = self._pools.get(proxy) or self._make(proxy)
                self._pools[proxy] = pools
        return pools

    def _make(self, proxy: str | None) -> urllib3.PoolManager:
        options = {**self._options, "ssl_context": _tls(self._ca_file)}
        if proxy is None:
            pools = urllib3.PoolManager(**options)
        else:
            address = urlsplit(proxy)
            if address.username:
                options["proxy_headers"] = urllib3.make_headers(
                    proxy_basic_auth=f"{address.username}:{address.password or ''}"
                )
            pools = urllib3.ProxyManager(proxy, **options)
        pools.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return pools
