"""The pip section over a real server: platforms joined, locks kept, nothing leaked."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.pip import index_urls, pip_section
from imagelock.app.sections.pip_pins import PipSection
from imagelock.app.sections.pip_report import Outdated, outdated
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.archives import artifact_url
from imagelock.model.errors import IntegrityError, NoSolution, UsageError
from imagelock.model.lock import Lock, Requirer
from imagelock.model.names import PipName
from imagelock.model.pip_spec import PipSpec, RequirementsFile
from imagelock.model.platform import Platform
from imagelock.model.python import PythonTarget
from imagelock.model.spec import ImageBase, Spec
from support.local_server import Answer, LocalServer
from support.wheels import sha256, wheel

AMD, ARM = Platform("linux/amd64"), Platform("linux/arm64")
TARGETS = {
    platform: PythonTarget(platform=platform, version="3.12.4", libc="glibc 2.36")
    for platform in (AMD, ARM)
}
NOW = datetime(2026, 11, 20, tzinfo=UTC)


class Index:
    """Projects on a server, one wheel for each tag."""

    def __init__(self, server: LocalServer) -> None:
        self.server = server
        self.files: dict[str, list[dict[str, Any]]] = {}

    def add(
        self,
        name: str,
        version: str,
        *requires: str,
        tag: str = "py3-none-any",
        **more: Any,  # noqa: ANN401 - fields of the page
    ) -> None:
        filename = f"{name}-{version}-{tag}.whl"
        data = wheel(name, version, requires, tag=tag)
        self.server.routes[f"/files/{filename}"] = Answer(data)
        listed = self.files.setdefault(name, [])
        listed.append(
            {
                "filename": filename,
                "url": f"{self.server.url}/files/{filename}",
                "hashes": {"sha256": sha256(data)},
                "size": len(data),
                **more,
            }
        )
        page = {"meta": {"api-version": "1.1"}, "files": listed}
        self.server.routes[f"/simple/{name}/"] = Answer(
            json.dumps(page).encode(),
            headers={"Content-Type": "application/vnd.pypi.simple.v1+json"},
        )


@pytest.fixture
def index(server: LocalServer) -> Index:
    made = Index(server)
    made.add("web", "1.0", "core>=1", "fast ; platform_machine == 'x86_64'")
    made.add("core", "1.0")
    made.add("fast", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    made.add("native", "1.0", "core<2", tag="cp312-cp312-manylinux_2_17_x86_64")
    made.add("native", "1.0", "core<2", tag="cp312-cp312-manylinux_2_17_aarch64")
    return made


@pytest.fixture
def context(store: Store) -> Context:
    return Context(store=store, http=Http(), now=NOW)


def spec(server: LocalServer, *packages: str, **more: Any) -> PipSpec:  # noqa: ANN401 - fields of the spec
    return PipSpec(packages=packages, index=f"{server.url}/simple", **more)


def section(
    asked: PipSpec,
    context: Context,
    *,
    previous: PipSection | None = None,
    options: ResolveOptions | None = None,
) -> PipSection:
    lock = None
    if previous is not None:
        lock = lock_of(asked, previous)
    return pip_section(
        asked, TARGETS, context=context, options=options or ResolveOptions(), previous=lock
    )


def lock_of(asked: PipSpec, made: PipSection) -> Lock:
    roots = Spec(name="x", base=ImageBase(image="x"), platforms=(AMD, ARM), pip=asked)
    return Lock(roots=roots, pip=made.pins, archives=made.archives)


def short(made: PipSection) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(pin.name, pin.version, tuple(map(str, pin.platforms))) for pin in made.pins]


def test_platforms_are_joined_where_they_agree(
    index: Index, server: LocalServer, context: Context
) -> None:
    made = section(spec(server, "native", "web"), context)
    both = ("linux/amd64", "linux/arm64")
    assert short(made) == [
        ("core", "1.0", both),
        ("fast", "1.0", ("linux/amd64",)),
        ("native", "1.0", ("linux/arm64",)),
        ("native", "1.0", ("linux/amd64",)),
        ("web", "1.0", both),
    ]
    core = made.pins[0]
    assert core.required_by == (
        Requirer(name="native", specifier="<2"),
        Requirer(name="web", specifier=">=1"),
    )
    assert [pin.requested for pin in made.pins] == [False, False, True, True, True]
    assert len(index.server.asked("/simple/core/")) == 1
    (archive,) = made.archives
    assert archive.url == f"{server.url}/"
    assert artifact_url(core.artifact, made.archives) == (
        f"{server.url}/files/core-1.0-py3-none-any.whl"
    )


def test_nothing_asked_is_nothing_fetched(server: LocalServer, context: Context) -> None:
    assert section(spec(server), context) == PipSection(pins=())
    assert server.requests == []


def test_adding_a_requirement_moves_nothing_else(
    index: Index, server: LocalServer, context: Context
) -> None:
    before = section(spec(server, "web"), context)
    index.add("core", "1.5")
    index.add("web", "2.0")
    after = section(spec(server, "native", "web"), context, previous=before)
    kept = [pin for pin in after.pins if pin.name in {"web", "fast"}]
    assert kept == [pin for pin in before.pins if pin.name in {"web", "fast"}]
    assert {pin.version for pin in after.pins} == {"1.0"}


def test_upgrades_move_what_they_name(index: Index, server: LocalServer, context: Context) -> None:
    asked = spec(server, "native", "web")
    before = section(asked, context)
    index.add("core", "1.5")
    index.add("web", "2.0")
    one = ResolveOptions(upgrade_names=frozenset({"core"}))
    moved = section(asked, context, previous=before, options=one)
    assert {(pin.name, pin.version) for pin in moved.pins} >= {("core", "1.5"), ("web", "1.0")}
    everything = section(asked, context, previous=before, options=ResolveOptions(upgrade=True))
    assert {(pin.name, pin.version) for pin in everything.pins} == {
        ("core", "1.5"),
        ("native", "1.0"),
        ("web", "2.0"),
    }


@pytest.mark.usefixtures("index")
def test_a_lock_and_a_warm_store_need_no_network(server: LocalServer, context: Context) -> None:
    asked = spec(server, "native", "web")
    before = section(asked, context)
    server.requests.clear()
    offline = Context(store=context.store, http=Http(offline=True), now=NOW)
    assert section(asked, offline, previous=before) == before
    assert section(asked, context, previous=before) == before
    assert server.requests == []


def test_hashes_of_requirements_files(index: Index, server: LocalServer, context: Context) -> None:
    index.add("core", "1.5")
    allowed = index.files["core"][0]["hashes"]["sha256"]
    file = RequirementsFile(
        path="r.txt", requirements=("core",), hashes=(("core", (f"sha256:{allowed}",)),)
    )
    made = section(spec(server, requirements=(file,)), context)
    assert short(made) == [("core", "1.0", ("linux/amd64", "linux/arm64"))]


@pytest.mark.usefixtures("index")
def test_a_lock_of_another_tool_has_to_hold_here(server: LocalServer, context: Context) -> None:
    def taken_over(*lines: str, python: str = "") -> PipSpec:
        lock = RequirementsFile(
            path="uv.lock",
            requirements=(lines[-1].partition("=")[0],),
            constraints=lines,
            pinned=True,
            requires_python=python,
        )
        return spec(server, requirements=(lock,))

    whole = taken_over("core==1.0", "fast==1.0 ; platform_machine == 'x86_64'", "web==1.0")
    assert {pin.name for pin in section(whole, context).pins} == {"core", "fast", "web"}
    with pytest.raises(UsageError, match="does not lock core, which its web needs") as caught:
        section(taken_over("fast==1.0 ; platform_machine == 'x86_64'", "web==1.0"), context)
    assert caught.value.where == "uv.lock, platform linux/amd64"
    with pytest.raises(UsageError, match=r"Python >=3\.13, and the image has 3\.12\.4"):
        section(taken_over("core==1.0", python=">=3.13"), context)


def test_exclude_newer_and_as_of(server: LocalServer, context: Context) -> None:
    index = Index(server)
    index.add("demo", "1.0", **{"upload-time": "2026-01-01T00:00:00Z"})
    index.add("demo", "2.0", **{"upload-time": "2026-11-10T00:00:00Z"})
    index.add("demo", "3.0", **{"upload-time": "2026-11-19T00:00:00Z"})

    def chosen(exclude_newer: str | None, as_of: datetime | None) -> str:
        asked = spec(server, "demo", exclude_newer=exclude_newer)
        return section(asked, context, options=ResolveOptions(as_of=as_of)).pins[0].version

    assert chosen(None, None) == "3.0"
    assert chosen("7 days", None) == "2.0"
    assert chosen("2026-11-09", None) == "1.0"
    assert chosen("7 days", datetime(2026, 6, 1, tzinfo=UTC)) == "1.0"


def test_an_index_without_hashes_is_refused(server: LocalServer, context: Context) -> None:
    Index(server).add("demo", "1.0", hashes={"md5": "00"})
    with pytest.raises(IntegrityError, match="no sha256"):
        section(spec(server, "demo"), context)


def test_a_size_nobody_lists_is_asked_for(server: LocalServer, context: Context) -> None:
    data = wheel("demo", "1.0")
    server.routes["/f/demo-1.0-py3-none-any.whl"] = Answer(data)
    page = f'<a href="/f/demo-1.0-py3-none-any.whl#sha256={sha256(data)}">x</a>'
    server.routes["/simple/demo/"] = Answer(page.encode(), headers={"Content-Type": "text/html"})
    assert section(spec(server, "demo"), context).pins[0].artifact.size == len(data)


@pytest.mark.usefixtures("index")
def test_a_conflict_names_its_platform(server: LocalServer, context: Context) -> None:
    with pytest.raises(NoSolution) as caught:
        section(spec(server, "fast"), context)
    assert caught.value.where == "platform linux/arm64"


def test_a_wheel_by_url_is_hashed(server: LocalServer, context: Context) -> None:
    data = wheel("demo", "1.0", padding=100_000)
    server.routes["/f/demo-1.0-py3-none-any.whl"] = Answer(data)
    made = section(spec(server, f"demo @ {server.url}/f/demo-1.0-py3-none-any.whl"), context)
    artifact = made.pins[0].artifact
    assert (artifact.sha256, artifact.size) == (sha256(data), len(data))
    assert artifact.path == "f/demo-1.0-py3-none-any.whl"
    wrong = f"demo @ {server.url}/f/demo-1.0-py3-none-any.whl#sha256={'0' * 64}"
    server.ranges = False
    fresh = Context(store=Store(context.store.root / "other"), http=Http(), now=NOW)
    with pytest.raises(IntegrityError, match="expected sha256 000"):
        section(spec(server, wrong), fresh)
    with pytest.raises(UsageError, match="credentials"):
        section(spec(server, "demo @ https://me:canary@x.invalid/demo-1.0-py3-none-any.whl"), fresh)


def test_indexes_in_order() -> None:
    asked = PipSpec(index="pypi", extra_indexes=("https://a.invalid/simple", "pypi"))
    assert index_urls(asked) == ("https://a.invalid/simple", "https://pypi.org/simple/")
    with pytest.raises(UsageError, match="expected a URL"):
        index_urls(PipSpec(index="pipy"))


def test_outdated(index: Index, server: LocalServer, context: Context) -> None:
    asked = spec(server, "native", "web<2")
    before = section(asked, context)
    index.add("core", "2.0")
    index.add("core", "1.5")
    index.add("web", "3.0")
    index.add("fast", "1.1", tag="cp313-cp313-manylinux_2_17_x86_64")
    found = outdated(lock_of(asked, before), {AMD: TARGETS[AMD]}, context=context)
    assert found == (
        Outdated(name=PipName("core"), platform=AMD, locked="1.0", allowed="1.5", newest="2.0"),
        Outdated(name=PipName("web"), platform=AMD, locked="1.0", allowed="1.0", newest="3.0"),
    )


def test_a_yanked_pin_is_shown(server: LocalServer, context: Context) -> None:
    index = Index(server)
    index.add("demo", "1.0")
    before = section(spec(server, "demo"), context)
    index.files["demo"][0]["yanked"] = "broken"
    index.add("demo", "0.9")
    (found,) = outdated(lock_of(spec(server, "demo"), before), {AMD: TARGETS[AMD]}, context=context)
    assert (found.locked, found.allowed, found.newest, found.yanked) == ("1.0", "0.9", "1.0", True)
