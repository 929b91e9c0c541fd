from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest

from imagelock.fetch.authorization import basic_authorization
from imagelock.fetch.http import Http, redact
from imagelock.model.errors import NetworkError, NotFound, UsageError
from support.local_server import Answer, LocalServer, Request, local_server
from support.processes import reserved_port


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@host/a?token=x#y", "https://host/a"),
        ("https://u@host:8443/a", "https://host:8443/a"),
        ("https://user:pa%40ss@host/", "https://host/"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("file:///tmp/x", "file:///tmp/x"),
    ],
)
def test_redact(url: str, shown: str) -> None:
    assert redact(url) == shown


def test_connections_are_kept(server: LocalServer, http: Http) -> None:
    server.routes["/a"] = Answer(b"a")
    for _ in range(5):
        assert http.get(f"{server.url}/a").body == b"a"
    assert server.connections == 1


def test_what_is_left_of_a_body_is_not_the_next_answer(server: LocalServer, http: Http) -> None:
    fake = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake"
    for path, size, status in (("/short", 1, 404), ("/long", 10**5, 404), ("/left", 10**5, 200)):
        server.routes[path] = Answer(fake * size, status)
    server.routes["/next"] = Answer(b"next")
    for path in ("/short", "/long", "/left"):
        with contextlib.suppress(NotFound), http.stream(f"{server.url}{path}") as chunks:
            next(chunks)
        assert http.get(f"{server.url}/next").body == b"next"
    assert len(server.requests) == 6, "none was asked again"
    assert server.connections == 3, "a short answer is read to its end"


def test_a_name_is_resolved_once(
    server: LocalServer, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def counting(host: str, *rest: object, **more: object) -> object:
        asked.append(host)
        time.sleep(0.02)
        return real(host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", counting)
    server.routes["/a"] = Answer(b"a")
    url = server.url.replace("127.0.0.1", "localhost")
    threads = [threading.Thread(target=http.get, args=(f"{url}/a",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 8
    assert asked == ["localhost"]


def test_an_unknown_name_is_a_network_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib3.util.retry.time.sleep", lambda _seconds: None)
    with pytest.raises(NetworkError) as caught:
        Http().get("http://nothing.invalid/x?token=canary")
    assert "canary" not in str(caught.value)
    assert caught.value.where == "http://nothing.invalid/x"


def test_retries_and_honours_retry_after(server: LocalServer, http: Http) -> None:
    server.routes["/a"] = [
        Answer(status=429, headers={"Retry-After": "1"}),
        Answer(status=503),
        Answer(b"done"),
    ]
    start = time.monotonic()
    assert http.get(f"{server.url}/a").body == b"done"
    assert time.monotonic() - start >= 1
    assert len(server.requests) == 3


def test_retry_after_is_capped(
    server: LocalServer, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", waits.append)
    server.routes["/a"] = [Answer(status=429, headers={"Retry-After": "86400"}), Answer(b"a")]
    assert http.get(f"{server.url}/a").status == 200
    assert waits == [60]


def test_gives_up_on_a_server_that_stays_broken(
    server: LocalServer, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib3.util.retry.time.sleep", lambda _seconds: None)
    server.routes["/a"] = Answer(status=500)
    with pytest.raises(NetworkError, match="HTTP 500"):
        http.get(f"{server.url}/a")
    assert len(server.requests) == 5


def test_missing_is_not_retried(server: LocalServer, http: Http) -> None:
    with pytest.raises(NotFound):
        http.get(f"{server.url}/nothing")
    assert len(server.requests) == 1


def test_a_truncated_body_is_asked_for_again(server: LocalServer, http: Http) -> None:
    server.routes["/a"] = [Answer(b"x" * 1000, cut=10), Answer(b"x" * 1000)]
    assert len(http.get(f"{server.url}/a").body) == 1000


def test_a_body_that_stays_truncated_is_an_error(
    server: LocalServer, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib3.util.retry.time.sleep", lambda _seconds: None)
    server.routes["/a"] = Answer(b"x" * 1000, cut=10)
    with pytest.raises(NetworkError):
        http.get(f"{server.url}/a")


def test_a_truncated_stream_is_an_error(server: LocalServer, http: Http) -> None:
    server.routes["/a"] = Answer(b"x" * 1000, cut=10)
    with pytest.raises(NetworkError), http.stream(f"{server.url}/a") as chunks:
        list(chunks)


def test_redirects_carry_no_credentials_elsewhere(server: LocalServer) -> None:
    with local_server() as other:
        other.routes["/there"] = Answer(b"there")
        server.routes["/here"] = Answer(status=302, headers={"Location": f"{other.url}/there"})
        url = server.url.replace("http://", "http://user:canary@")
        assert Http().get(f"{url}/here").body == b"there"
        assert server.requests[0].headers["authorization"] == basic_authorization("user", "canary")
        assert "authorization" not in other.requests[0].headers


class _Keys:
    def known(self, _url: str) -> str | None:
        return None

    def refused(self, url: str) -> str | None:
        return "Bearer canary" if url.startswith("http://127.0.0.1") else None

    def located(self, url: str) -> str:
        return url


def test_credentials_are_asked_for_after_a_refusal(server: LocalServer) -> None:
    def guarded(request: Request) -> Answer:
        known = request.headers.get("authorization") == "Bearer canary"
        return Answer(b"in") if known else Answer(status=401)

    server.routes["/a"] = guarded
    with pytest.raises(NetworkError, match="HTTP 401") as caught:
        Http().get(f"{server.url}/a")
    assert "credentials" in caught.value.hint
    assert Http(credentials=_Keys()).get(f"{server.url}/a").body == b"in"


def test_percent_encoded_credentials(server: LocalServer, http: Http) -> None:
    server.routes["/a"] = Answer(b"a")
    http.get(server.url.replace("http://", "http://us%40er:p%3Ass@") + "/a")
    assert server.requests[0].headers["authorization"] == basic_authorization("us@er", "p:ss")


def test_mirrors_replace_prefixes_both_ways(server: LocalServer) -> None:
    server.routes["/mirror/a"] = Answer(b"a")
    http = Http(mirrors={"https://example.invalid/": f"{server.url}/mirror/"})
    answer = http.get("https://example.invalid/a")
    assert (answer.body, answer.url) == (b"a", "https://example.invalid/a")
    assert http.canonical(f"{server.url}/mirror/b") == "https://example.invalid/b"
    assert http.canonical("https://elsewhere.invalid/b") == "https://elsewhere.invalid/b"


def test_the_proxy_of_the_environment(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.routes["http://example.invalid/a"] = Answer(b"by proxy")
    monkeypatch.setenv("http_proxy", server.url.replace("http://", "http://me:canary@"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert Http().get("http://example.invalid/a").body == b"by proxy"
    assert server.requests[0].headers["proxy-authorization"] == basic_authorization("me", "canary")


def test_no_proxy_exempts_hosts(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "other.example, 127.0.0.1")
    server.routes["/a"] = Answer(b"direct")
    assert Http().get(f"{server.url}/a").body == b"direct"


def test_a_missing_certificate_file_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(UsageError, match=r"certificates") as caught:
        Http().get("https://127.0.0.1:9/")
    assert caught.value.where == str(tmp_path / "none.pem")


def test_offline_asks_nobody(server: LocalServer) -> None:
    with pytest.raises(NetworkError, match="network is off"):
        Http(offline=True).get(f"{server.url}/a")
    assert server.requests == []


def test_a_closed_port_is_a_network_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib3.util.retry.time.sleep", lambda _seconds: None)
    with reserved_port() as port, pytest.raises(NetworkError, match="could not be reached"):
        Http().get(f"http://127.0.0.1:{port}/a")
