"""Credentials against real registries: htpasswd, tokens, TLS with an own authority, helpers."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagelock.fetch.store import Store
from imagelock.model.errors import ImagelockError, NetworkError, UsageError
from imagelock.model.platform import Platform
from imagelock.registry.authorization import Authorizer, parse_challenge
from imagelock.registry.credentials import find_credential
from imagelock.registry.source import RegistrySource
from support.registry import (
    PASSWORD,
    USER,
    RunningRegistry,
    TokenService,
    client_with,
    make_certificate,
    running_registry,
    skopeo_push,
)

pytestmark = pytest.mark.registry
AMD64 = Platform("linux/amd64")
AUTH = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, layout: Path) -> Iterator[RunningRegistry]:
    """A registry that wants a password, with one image in it."""
    with running_registry(tmp_path_factory.mktemp("locked"), htpasswd=True) as running:
        skopeo_push(layout, running, "team/base:1", credentials=f"{USER}:{PASSWORD}")
        yield running


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenService]:
    service = TokenService(tmp_path_factory.mktemp("issuer"))
    yield service
    service.close()


@pytest.fixture(scope="module")
def with_tokens(
    tmp_path_factory: pytest.TempPathFactory, layout: Path, tokens: TokenService
) -> Iterator[RunningRegistry]:
    """A registry that wants a Bearer token: pulls are free, pushes are not."""
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "issuer.crt").write_bytes((tokens._folder / "issuer.crt").read_bytes())
    with running_registry(folder, realm=tokens.realm) as running:
        skopeo_push(layout, running, "team/base:1", credentials=f"{USER}:{PASSWORD}")
        yield running


def docker_config(folder: Path, config: dict[str, object]) -> dict[str, str]:
    (folder / "config.json").write_text(json.dumps(config))
    return {"DOCKER_CONFIG": str(folder), "PATH": f"{folder}:{os.environ['PATH']}"}


def helper(folder: Path, name: str, script: str) -> None:
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def source_with(environment: dict[str, str], folder: Path) -> RegistrySource:
    store = Store(folder / "store")
    return RegistrySource(client_with(store, environment), store)


ANSWER = json.dumps({"ServerURL": "x", "Username": USER, "Secret": PASSWORD})
WAYS: dict[str, dict[str, object]] = {
    "auths": {"auths": {"HOST": {"auth": AUTH}}},
    "auths with a scheme": {"auths": {"http://HOST/v1/": {"auth": AUTH}}},
    "plain user and password": {"auths": {"HOST": {"username": USER, "password": PASSWORD}}},
    "credHelpers": {"credHelpers": {"HOST": "good"}},
    "credsStore": {"credsStore": "good", "auths": {"HOST": {}}},
    "credHelpers before auths": {
        "credHelpers": {"HOST": "good"},
        "auths": {"HOST": {"auth": base64.b64encode(b"a:wrong").decode()}},
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_docker_keeps_credentials_opens_the_registry(
    way: str, locked: RunningRegistry, tmp_path: Path
) -> None:
    config = json.loads(json.dumps(WAYS[way]).replace("HOST", locked.host))
    helper(tmp_path, "good", f"cat >/dev/null; echo '{ANSWER}'")
    source = source_with(docker_config(tmp_path, config), tmp_path)
    reference = f"{locked.host}/team/base:1"
    image = source.image(reference, source.digest(reference, AMD64), AMD64)
    assert source.layer(reference, image.layers[0]).is_file()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 0", "printed no credentials"),
        (f"echo '{PASSWORD}'", "printed no credentials"),
        ("echo '[]'", "printed no credentials"),
        (f"echo '{PASSWORD}' >&2; exit 3", "failed with exit code 3"),
    ],
)
def test_a_helper_at_fault_is_a_clear_error_without_its_output(
    script: str, message: str, locked: RunningRegistry, tmp_path: Path
) -> None:
    helper(tmp_path, "bad", f"cat >/dev/null; {script}")
    environment = docker_config(tmp_path, {"credHelpers": {locked.host: "bad"}})
    with pytest.raises(UsageError, match=message) as caught:
        source_with(environment, tmp_path).digest(f"{locked.host}/team/base:1", AMD64)
    assert PASSWORD not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_helper_that_has_nothing_leaves_the_request_anonymous(
    locked: RunningRegistry, tmp_path: Path
) -> None:
    helper(
        tmp_path, "empty", "cat >/dev/null; echo credentials not found in native keychain; exit 1"
    )
    environment = docker_config(tmp_path, {"credsStore": "empty"})
    with pytest.raises(NetworkError, match="asks for a user and password"):
        source_with(environment, tmp_path).digest(f"{locked.host}/team/base:1", AMD64)


def test_a_missing_helper_and_a_broken_file_name_the_file(tmp_path: Path) -> None:
    environment = docker_config(tmp_path, {"credsStore": "absent"})
    with pytest.raises(UsageError, match="not on PATH"):
        find_credential("r.example", environment=environment)
    (tmp_path / "config.json").write_text(f'{{"auths": {PASSWORD}')
    with pytest.raises(UsageError, match="expected a JSON object") as caught:
        find_credential("r.example", environment=environment)
    assert PASSWORD not in str(caught.value)
    (tmp_path / "config.json").write_text('{"auths": {"r.example": {"auth": "s3cret-canary"}}}')
    with pytest.raises(UsageError, match="expected base64") as caught:
        find_credential("r.example", environment=environment)
    assert PASSWORD not in str(caught.value)


def test_a_wrong_password_is_refused_and_shown_nowhere(
    locked: RunningRegistry, tmp_path: Path
) -> None:
    wrong = base64.b64encode(b"tester:canary-wrong-password").decode()
    environment = docker_config(tmp_path, {"auths": {locked.host: {"auth": wrong}}})
    source = source_with(environment, tmp_path)
    with pytest.raises(NetworkError, match="does not take the credentials") as caught:
        source.digest(f"{locked.host}/team/base:1", AMD64)
    assert "canary-wrong-password" not in json.dumps(caught.value.as_json())
    assert source.exists(f"{locked.host}/team/base:1", AMD64) is None


def test_an_anonymous_token_pulls(
    with_tokens: RunningRegistry, tokens: TokenService, tmp_path: Path
) -> None:
    tokens.asked.clear()
    source = source_with({}, tmp_path)
    reference = f"{with_tokens.host}/team/base:1"
    image = source.image(reference, source.digest(reference, AMD64), AMD64)
    for layer in image.layers:
        source.layer(reference, layer)
    assert tokens.asked == [("repository:team/base:pull", "")]


@pytest.mark.parametrize("kind", ["password", "identity token"])
def test_credentials_are_exchanged_for_a_token(
    kind: str, with_tokens: RunningRegistry, tokens: TokenService, tmp_path: Path
) -> None:
    tokens.asked.clear()
    entry = {"auth": AUTH} if kind == "password" else {"identitytoken": PASSWORD}
    environment = docker_config(tmp_path, {"auths": {with_tokens.host: entry}})
    source = source_with(environment, tmp_path)
    source.digest(f"{with_tokens.host}/team/base:1", AMD64)
    expected = f"Basic {AUTH}" if kind == "password" else f"Identity {PASSWORD}"
    assert [header for _, header in tokens.asked] == [expected]


def test_wrong_credentials_at_the_token_service(
    with_tokens: RunningRegistry, tmp_path: Path
) -> None:
    wrong = base64.b64encode(b"tester:canary-wrong-password").decode()
    environment = docker_config(tmp_path, {"auths": {with_tokens.host: {"auth": wrong}}})
    with pytest.raises(NetworkError, match="does not take the credentials") as caught:
        source_with(environment, tmp_path).digest(f"{with_tokens.host}/team/base:1", AMD64)
    assert "canary" not in str(caught.value)


def test_a_token_is_asked_for_again_when_its_time_is_up(
    with_tokens: RunningRegistry,
    tokens: TokenService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    original = Authorizer.__init__

    def patched(self: Authorizer, *args: object, **_kwargs: object) -> None:
        original(self, *args, clock=lambda: now[0])  # type: ignore[arg-type]

    monkeypatch.setattr(Authorizer, "__init__", patched)
    tokens.asked.clear()
    source = source_with({}, tmp_path)
    reference = f"{with_tokens.host}/team/base:1"
    image = source.image(reference, source.digest(reference, AMD64), AMD64)
    now[0] += 3600
    source.layer(reference, image.layers[0])
    assert len(tokens.asked) == 2


def test_tls_with_an_authority_of_ones_own(
    layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_registry(tmp_path / "registry", htpasswd=True, tls=True) as running:
        assert running.authority is not None
        skopeo_push(layout, running, "team/base:1", credentials=f"{USER}:{PASSWORD}")
        reference = f"{running.host}/team/base:1"
        config = docker_config(tmp_path, {"auths": {running.host: {"auth": AUTH}}})
        folder = tmp_path / ".config" / "docker" / "certs.d" / running.host
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_bytes(running.authority.read_bytes())
        trusting = source_with({**config, "HOME": str(tmp_path)}, tmp_path)
        digest = trusting.digest(reference, AMD64)
        assert trusting.image(reference, digest, AMD64).layers

        named = tmp_path / "certs"
        named.mkdir()
        (named / "ca.pem").write_bytes(running.authority.read_bytes())
        by_path = source_with({**config, "DOCKER_CERT_PATH": str(named)}, tmp_path)
        assert by_path.digest(reference, AMD64) == digest

        (named / "ca.pem").write_bytes(make_certificate(tmp_path, "other").read_bytes())
        other = source_with({**config, "DOCKER_CERT_PATH": str(named)}, tmp_path / "2")
        assert other.exists(reference, AMD64) is None
        with pytest.raises(ImagelockError, match="SSL"):
            other.digest(reference, AMD64)

        monkeypatch.setenv("SSL_CERT_FILE", str(running.authority))
        assert source_with(config, tmp_path / "3").digest(reference, AMD64) == digest


@pytest.mark.parametrize(
    ("header", "scheme", "parameters"),
    [
        ('Basic realm="x y"', "basic", {"realm": "x y"}),
        (
            'Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push"',
            "bearer",
            {"realm": "https://a/t", "service": "s", "scope": "repository:a/b:pull,push"},
        ),
        ('Basic realm="r", Bearer realm="https://a/t"', "bearer", {"realm": "https://a/t"}),
        ('Bearer realm="https://a/t", Basic realm="r"', "bearer", {"realm": "https://a/t"}),
        ('bearer realm="a\\"b"', "bearer", {"realm": 'a"b'}),
    ],
)
def test_challenges(header: str, scheme: str, parameters: dict[str, str]) -> None:
    challenge = parse_challenge(header)
    assert challenge is not None
    assert (challenge.scheme, challenge.parameters) == (scheme, parameters)


def test_unknown_challenges_are_none() -> None:
    assert parse_challenge("") is None
    assert parse_challenge('Negotiate, Digest realm="Bearer"') is None


def test_the_files_credentials_are_looked_for_in(tmp_path: Path) -> None:
    home, podman, run = tmp_path / "home", tmp_path / "auth.json", tmp_path / "run"
    (home / ".docker").mkdir(parents=True)
    (run / "containers").mkdir(parents=True)
    files = {
        home / ".docker" / "config.json": "docker",
        podman: "podman",
        run / "containers" / "auth.json": "session",
    }
    for path, name in files.items():
        path.write_text(json.dumps({"auths": {"r.io": {"username": name, "password": "x"}}}))

    def user(environment: dict[str, str]) -> str | None:
        found = find_credential("r.io", environment=environment)
        return found.user if found else None

    session = {"XDG_RUNTIME_DIR": str(run)}
    assert user({**session, "HOME": str(home)}) == "docker"
    assert user({**session, "DOCKER_CONFIG": str(tmp_path)}) == "session"
    assert user({**session, "REGISTRY_AUTH_FILE": str(podman)}) == "podman"
    assert user({}) is None
    assert find_credential("other.io", environment={"HOME": str(home)}) is None


def test_docker_hub_goes_by_its_old_name(tmp_path: Path) -> None:
    config: dict[str, object] = {"auths": {"https://index.docker.io/v1/": {"auth": AUTH}}}
    environment = docker_config(tmp_path, config)
    found = find_credential("docker.io", environment=environment)
    assert found is not None
    assert (found.user, found.secret) == (USER, PASSWORD)
    assert PASSWORD not in repr(found)


def test_a_helper_may_give_an_identity_token(tmp_path: Path) -> None:
    answer = json.dumps({"Username": "<token>", "Secret": PASSWORD})
    helper(tmp_path, "token", f"cat >/dev/null; echo '{answer}'")
    environment = docker_config(tmp_path, {"credHelpers": {"r.io": "token"}})
    found = find_credential("r.io", environment=environment)
    assert found is not None
    assert (found.user, found.secret, found.is_token) == ("", PASSWORD, True)


@pytest.mark.parametrize("name", ["../evil", "a b", "a/b"])
def test_a_helper_is_a_name_not_a_path(name: str, tmp_path: Path) -> None:
    environment = docker_config(tmp_path, {"credsStore": name})
    with pytest.raises(UsageError, match="expected the name of a credential helper"):
        find_credential("r.io", environment=environment)


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        find_credential("r.io", environment={"DOCKER_CONFIG": str(tmp_path)})


def test_odd_entries_are_no_credentials(tmp_path: Path) -> None:
    odd = {"r.io": "text", "https://r.io": {"auth": ""}, "http://r.io": {"username": USER}}
    configs: tuple[dict[str, object], ...] = (
        {"auths": odd},
        {"auths": []},
        {"credHelpers": {"r.io": 1}},
        {"credsStore": 1},
    )
    for config in configs:
        assert find_credential("r.io", environment=docker_config(tmp_path, config)) is None
