"""Connections to a real Docker engine: its socket, TLS, ssh; and what is said without one."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagelock.build.engine import Endpoint, EngineFacts, connected
from imagelock.build.engine.connection import _facts
from imagelock.model.errors import BuildError, NetworkError, NotFound
from imagelock.model.platform import Platform, host_platform
from support.certificates import make_certificates
from support.engine import Engine, running_engine
from support.processes import reserved_port
from support.ssh import running_sshd

pytestmark = [pytest.mark.engine, pytest.mark.root]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachable:
    """One engine with two addresses, and the certificates of the second."""

    engine: Engine
    tcp: str
    certificates: Path


@pytest.fixture(scope="module")
def reachable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reachable]:
    keys = make_certificates(tmp_path_factory.mktemp("keys"))
    with (
        reserved_port() as port,
        running_engine(
            f"--host=tcp://127.0.0.1:{port}",
            "--tlsverify",
            f"--tlscacert={keys}/ca.pem",
            f"--tlscert={keys}/server.pem",
            f"--tlskey={keys}/server-key.pem",
        ) as engine,
    ):
        yield Reachable(engine=engine, tcp=f"tcp://127.0.0.1:{port}", certificates=keys)


def test_the_socket(reachable: Reachable) -> None:
    with connected(environment={"DOCKER_HOST": reachable.engine.host}) as engine:
        shown = reachable.engine.docker("version", "--format", "{{.Server.Version}}").stdout
        assert engine.facts.version == shown.strip()
        assert engine.facts.product == "Docker"
        assert engine.facts.platform == host_platform(os.uname().machine)
        assert not engine.facts.keeps_manifests
        assert engine.client.images() == []


def test_the_environment_s_proxies_and_authorities_are_not_the_engine_s(
    reachable: Reachable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(reachable.certificates / "other.pem"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    known = {
        "DOCKER_HOST": reachable.tcp,
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(reachable.certificates),
        "HOME": str(tmp_path),
    }
    with connected(environment=known) as engine:
        assert engine.client.ping()


def test_another_authority_is_refused(reachable: Reachable, tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).symlink_to(reachable.certificates / name)
    (tmp_path / "ca.pem").symlink_to(reachable.certificates / "other.pem")
    known = {
        "DOCKER_HOST": reachable.tcp,
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(tmp_path),
    }
    with (
        pytest.raises(NetworkError, match="certificate verify failed"),
        connected(environment=known),
    ):
        pass


def test_ssh(reachable: Reachable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_sshd(tmp_path / "sshd", {"DOCKER_HOST": reachable.engine.host}) as server:
        monkeypatch.setenv("PATH", str(server.path), prepend=os.pathsep)
        before = children()
        with connected(environment={"DOCKER_HOST": server.address}) as engine:
            assert engine.client.ping()
            # A body as long as a layer passes both ways.
            said = list(engine.client.load_image(iter([b"\0" * 1_000_000] * 3)))
            assert "repositories" in str(said)
            assert children() > before
        assert children() == before


def children() -> set[str]:
    shown = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "pid=,comm="],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return {line.strip() for line in shown.splitlines() if not line.endswith(" ps")}


def test_what_ssh_says_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_sshd(tmp_path / "sshd", {"A": "b"}) as server:
        monkeypatch.setenv("PATH", str(server.path), prepend=os.pathsep)
        (tmp_path / "sshd" / "known").unlink()
        with (
            pytest.raises(NetworkError, match="Host key verification failed") as caught,
            connected(environment={"DOCKER_HOST": server.address}),
        ):
            pass
    assert server.address in caught.value.where


def test_no_ssh_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(NetworkError, match="ssh: No such file"),
        connected(environment={"DOCKER_HOST": "ssh://127.0.0.1"}),
    ):
        pass


def test_no_engine(tmp_path: Path) -> None:
    with (
        pytest.raises(NetworkError, match="No such file or directory") as caught,
        connected(environment={"DOCKER_HOST": f"unix://{tmp_path}/none"}),
    ):
        pass
    assert caught.value.exit_code == 4
    assert str(tmp_path) in caught.value.where
    assert "DOCKER_HOST" in caught.value.hint


def sockets() -> set[str]:
    """The sockets that this process has open."""
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(path.readlink()))
    return {name for name in found if name.startswith("socket:")}


def test_a_stream_nobody_reads_on_is_closed_with_the_connection(reachable: Reachable) -> None:
    before = sockets()
    with connected(environment={"DOCKER_HOST": reachable.engine.host}) as engine:
        events = engine.client.events(decode=True)
        assert sockets() - before
    assert sockets() <= before
    del events


def test_something_else_than_an_engine(tmp_path: Path) -> None:
    with (
        reserved_port() as port,
        pytest.raises(NetworkError, match="Connection refused"),
        connected(environment={"DOCKER_HOST": f"tcp://127.0.0.1:{port}", "HOME": str(tmp_path)}),
    ):
        pass


def test_the_engine_s_errors_are_ours(reachable: Reachable) -> None:
    with connected(environment={"DOCKER_HOST": reachable.engine.host}) as engine:
        with pytest.raises(NotFound, match="No such image: none") as caught, engine.errors("here"):
            engine.client.inspect_image("none:at-all")
        assert caught.value.where.endswith(", here")
        with pytest.raises(NetworkError, match="invalid reference format"), engine.errors():
            engine.client.inspect_image("UPPER:case:twice")


ENDPOINT = Endpoint(host="unix:///e", origin="test")


def test_what_other_engines_say_of_themselves() -> None:
    version = {
        "Version": "28.1.1-rc.2",
        "ApiVersion": "1.49",
        "Os": "linux",
        "Arch": "arm64",
        "Components": [{"Name": "Engine"}],
    }
    info = {
        "Architecture": "aarch64",
        "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
    }
    facts = _facts(version, info, ENDPOINT)
    assert facts == EngineFacts(
        product="Docker",
        version="28.1.1-rc.2",
        api_version="1.49",
        platform=Platform("linux/arm64"),
        keeps_manifests=True,
    )
    assert facts.release == (28, 1, 1)
    podman = version | {"Version": "4.3.1", "Components": [{"Name": "Podman Engine"}]}
    assert str(_facts(podman, {"Architecture": "amd64"}, ENDPOINT)) == "Podman 4.3.1"
    with pytest.raises(BuildError, match="windows, not linux"):
        _facts(version | {"Os": "windows"}, info, ENDPOINT)
    with pytest.raises(BuildError, match="no platform is known"):
        _facts(version, {"Architecture": "pdp11"}, ENDPOINT)
