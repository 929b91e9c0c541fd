"""A connection to a Docker engine through the docker SDK: what it can do, its errors as ours."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from imagelock.build.engine.endpoint import Endpoint, find_endpoint
from imagelock.build.engine.ssh import Door, ssh_door
from imagelock.model.errors import BuildError, NetworkError, NotFound
from imagelock.model.platform import Platform, host_platform

if TYPE_CHECKING:
    from docker.api.client import APIClient
    from docker.tls import TLSConfig

_PROBE_SECONDS: Final = 30
_CONTAINERD: Final = "io.containerd.snapshotter.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What an engine says of itself, asked once when the connection is made.

    ``version`` is the release (``20.10.24``), ``platform`` that of its containers.
    ``keeps_manifests``: its image store is containerd's, which keeps manifests, indexes and
    so several platforms under one name; the classic store keeps the layers' content alone.
    """

    product: str
    version: str
    api_version: str
    platform: Platform
    keeps_manifests: bool

    @property
    def release(self) -> tuple[int, ...]:
        """The leading numbers of the version: (20, 10, 24)."""
        found = re.match(r"\d+(\.\d+)*", self.version)
        return tuple(int(part) for part in found.group().split(".")) if found else ()

    def __str__(self) -> str:
        return f"{self.product} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """An engine one is connected to; ``client`` is the docker SDK's for its whole API."""

    endpoint: Endpoint
    facts: EngineFacts
    client: APIClient
    door: Door | None = None

    def errors(self, doing: str = "") -> contextlib.AbstractContextManager[None]:
        """A block in which the SDK's errors become ours, placed at what is being done."""
        return _engine_errors(self.endpoint, self.door, doing)


@contextlib.contextmanager
def connected(
    endpoint: Endpoint | None = None, *, environment: Mapping[str, str] | None = None
) -> Iterator[Engine]:
    """An engine while the context is open: the one given, else the one `docker` would use.

    NetworkError when it cannot be reached, UsageError when the environment names none.
    """
    found = endpoint or find_endpoint(os.environ if environment is None else environment)
    with contextlib.ExitStack() as stack:
        door: Door | None = None
        if found.host.startswith("ssh://"):
            door = stack.enter_context(ssh_door(found.host))
        address = door.host if door else found.host
        with _engine_errors(found, door, ""):
            if door is None:
                _knock(address)
            client = _client(found, address)
            stack.callback(client.close)
            facts = _facts(client.version(), client.info(), found)
        # An engine may be silent for as long as a command of an image runs.
        client.timeout = None
        yield Engine(endpoint=found, facts=facts, client=client, door=door)


def _knock(address: str) -> None:
    """Open a local socket once: the SDK leaves its own open when nobody answers there."""
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
            one.settimeout(_PROBE_SECONDS)
            try:
                one.connect(address.removeprefix("unix://"))
            except OSError as error:
                raise ConnectionError(str(error)) from error


def _client(endpoint: Endpoint, address: str) -> APIClient:
    from docker.api.client import APIClient

    class Direct(APIClient):  # type: ignore[misc]  # docker has no types
        """The SDK's client, but deaf to the environment.

        requests would send a local address to HTTP_PROXY, let REQUESTS_CA_BUNDLE replace the
        engine's own authority, and answer with passwords of ~/.netrc. An answer that is not read
        to its end is closed with the client, which the SDK's leaves to the garbage collector.
        """

        def __init__(self, **options: Any) -> None:  # noqa: ANN401 - the SDK's own
            self._streams: list[Any] = []
            super().__init__(**options)

        def request(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - requests' own
            self.trust_env = False
            answer = super().request(*arguments, **options)
            if options.get("stream"):
                self._streams.append(answer)
            return answer

        def close(self) -> None:
            for stream in self._streams:
                stream.close()
            self._streams.clear()
            super().close()

    return Direct(
        base_url=address,
        version="auto",
        timeout=_PROBE_SECONDS,
        tls=_tls(endpoint),
        user_agent="imagelock",
    )


def _tls(endpoint: Endpoint) -> TLSConfig | bool:
    from docker.tls import TLSConfig

    files = endpoint.tls
    if files is None or not endpoint.host.startswith(("tcp://", "https://")):
        return endpoint.host.startswith("https://")
    pair = (str(files.cert), str(files.key)) if files.cert and files.key else None
    ca = str(files.ca) if files.ca else None
    return TLSConfig(client_cert=pair, ca_cert=ca, verify=files.verify)


def _facts(version: dict[str, Any], info: dict[str, Any], endpoint: Endpoint) -> EngineFacts:
    if version.get("Os") != "linux":
        raise BuildError(
            f"the engine runs containers of {version.get('Os')}, not linux",
            where=str(endpoint),
            hint="switch it to Linux containers, or set DOCKER_HOST to another",
        )
    parts = [part.get("Name", "") for part in version.get("Components") or ()]
    podman = any("Podman" in name for name in parts)
    try:
        platform = host_platform(str(info.get("Architecture") or version.get("Arch")))
    except ValueError as error:
        raise BuildError(str(error), where=str(endpoint)) from None
    driver = {key: value for key, value in info.get("DriverStatus") or () if value}
    return EngineFacts(
        product="Podman" if podman else "Docker",
        version=str(version.get("Version", "")),
        api_version=str(version.get("ApiVersion", "")),
        platform=platform,
        keeps_manifests=driver.get("driver-type") == _CONTAINERD,
    )


@contextlib.contextmanager
def _engine_errors(endpoint: Endpoint, door: Door | None, doing: str) -> Iterator[None]:
    from docker.errors import APIError, DockerException
    from docker.errors import NotFound as ApiNotFound
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    place = f"{endpoint}, {doing}" if doing else str(endpoint)
    try:
        yield
    except ApiNotFound as error:
        raise NotFound(_explained(error), where=place) from None
    except APIError as error:
        raise NetworkError(
            f"the engine refused: {_explained(error)}", where=place, hint="see the engine's log"
        ) from None
    except (DockerException, RequestException, HTTPError, ConnectionError) as error:
        raise _unreachable(error, place, door) from None


def _explained(error: Exception) -> str:
    return str(getattr(error, "explanation", "") or error)


def _unreachable(error: Exception, place: str, door: Door | None) -> NetworkError:
    """The deepest reason that Python knows, and what to do about the usual ones."""
    reasons = list(_chain(error))
    denied = any(isinstance(reason, PermissionError) for reason in reasons)
    system = next((reason for reason in reasons if isinstance(reason, OSError)), None)
    said = door.said() if door else ""
    text = said or (system.strerror if system is not None and system.strerror else "")
    text = text or str(reasons[-1]).strip().splitlines()[0]
    hint = "start the engine, or choose another with DOCKER_HOST or `docker context use`"
    if denied:
        hint = "the socket is closed to this user: use root, or a user of its group (docker)"
    elif said:
        hint = "try `docker -H ADDRESS version`; the far side needs the docker command"
    return NetworkError(f"no Docker engine answers: {text}", where=place, hint=hint)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came of, as far as it is known, the first cause last.

    urllib3 keeps causes in arguments rather than in ``__cause__``.
    """
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        known = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        waiting += [item for item in known if isinstance(item, BaseException)]
