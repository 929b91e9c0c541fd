"""Which engine is meant: as the docker command line decides it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from imagelock.build.engine.endpoint import LOCAL, Endpoint, TlsFiles, find_endpoint
from imagelock.build.engine.ssh import ssh_command
from imagelock.model.errors import UsageError


def context(folder: Path, name: str, host: str, *, tls: bool = False) -> None:
    identity = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts" / "meta" / identity
    meta.mkdir(parents=True)
    endpoint = {"Host": host, "SkipTLSVerify": False}
    (meta / "meta.json").write_text(
        json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}})
    )
    if tls:
        keys = folder / "contexts" / "tls" / identity / "docker"
        keys.mkdir(parents=True)
        for file in ("ca.pem", "cert.pem", "key.pem"):
            (keys / file).write_text(file)


def test_the_local_socket_when_nothing_says_otherwise(tmp_path: Path) -> None:
    assert find_endpoint({"HOME": str(tmp_path)}).host == LOCAL
    assert find_endpoint({}).host == LOCAL


def test_the_order_of_what_names_an_engine(tmp_path: Path) -> None:
    context(tmp_path, "one", "tcp://one:2375")
    context(tmp_path, "two", "tcp://two:2375")
    (tmp_path / "config.json").write_text('{"currentContext": "one"}')
    known = {"DOCKER_CONFIG": str(tmp_path)}
    assert find_endpoint(known) == Endpoint(host="tcp://one:2375", origin="docker context 'one'")
    known["DOCKER_CONTEXT"] = "two"
    assert find_endpoint(known).host == "tcp://two:2375"
    known["DOCKER_CONTEXT"] = "default"
    assert find_endpoint(known).host == LOCAL
    known["DOCKER_HOST"] = "unix:///three"
    assert find_endpoint(known) == Endpoint(host="unix:///three", origin="DOCKER_HOST")


def test_contexts_are_found_in_the_home_folder(tmp_path: Path) -> None:
    context(tmp_path / ".docker", "far", "ssh://far")
    known = {"HOME": str(tmp_path), "DOCKER_CONTEXT": "far"}
    assert find_endpoint(known).host == "ssh://far"


def test_a_context_s_keys(tmp_path: Path) -> None:
    context(tmp_path, "far", "tcp://far:2376", tls=True)
    tls = find_endpoint({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "far"}).tls
    assert tls is not None
    assert tls.verify
    assert [path and path.read_text() for path in (tls.ca, tls.cert, tls.key)] == [
        "ca.pem",
        "cert.pem",
        "key.pem",
    ]


def test_tls_of_the_environment(tmp_path: Path) -> None:
    known = {"DOCKER_HOST": "tcp://far:2376", "DOCKER_TLS_VERIFY": "1", "HOME": str(tmp_path)}
    assert find_endpoint(known).tls == TlsFiles(ca=None, cert=None, key=None, verify=True)
    (tmp_path / "ca.pem").touch()
    known["DOCKER_CERT_PATH"] = str(tmp_path)
    tls = TlsFiles(ca=tmp_path / "ca.pem", cert=None, key=None, verify=True)
    assert find_endpoint(known).tls == tls
    (tmp_path / "cert.pem").touch()
    with pytest.raises(UsageError, match="found one of them"):
        find_endpoint(known)


@pytest.mark.parametrize(
    ("config", "variables", "said"),
    [
        ("{", {}, "is not JSON"),
        ("[]", {}, "expected a JSON object"),
        ('{"currentContext": 1}', {}, "expected a string"),
        ('{"currentContext": "gone"}', {}, "there is no docker context 'gone'"),
        ("{}", {"DOCKER_CONTEXT": "gone"}, "there is no docker context 'gone'"),
        ("{}", {"DOCKER_HOST": "far"}, "expected an address like"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, config: str, variables: dict[str, str], said: str
) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(UsageError, match=said):
        find_endpoint({"DOCKER_CONFIG": str(tmp_path), **variables})


def test_how_ssh_is_called() -> None:
    assert ssh_command("ssh://me@far:2222")[4:] == [
        *("-l", "me", "-p", "2222", "--", "far", "docker system dial-stdio")
    ]
    assert ssh_command("ssh://far/run/a b.sock")[4:] == [
        *("--", "far", "docker --host 'unix:///run/a b.sock' system dial-stdio")
    ]


@pytest.mark.parametrize("address", ["ssh://", "ssh://far:port", "ssh://me:word@far"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        ssh_command(address)
    assert "word" not in str(caught.value).replace("password", "")
