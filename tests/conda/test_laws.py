"""Any packages at all: our prefix is the one that py-rattler makes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from imagelock.fetch.store import Store
from imagelock.model.platform import DEFAULT_PLATFORM
from support.conda_channel import PLACEHOLDER, CondaFile, CondaPackage, conda_package, text
from support.conda_sites import folder_contents, link, rattler_link

NAMES = "abcd"
PATHS = ("bin/x", "etc/x.conf", "lib/x.so", "lib/deep/y", "share/ü")

texts = st.lists(st.sampled_from(["@PREFIX@/lib", "plain\n", "@PREFIX@@PREFIX@", ""]), max_size=3)
binaries = st.lists(
    st.sampled_from([b"\x7fELF", PLACEHOLDER.encode(), b"/lib\0", b"\0\0", b":", b"tail"]),
    max_size=6,
)
files = st.one_of(
    texts.map(lambda parts: text("".join(parts), executable=len(parts) == 1)),
    binaries.map(
        lambda parts: CondaFile(
            data=b"".join(parts), prefix="binary" if PLACEHOLDER.encode() in parts else None
        )
    ),
)


@st.composite
def environments(draw: st.DrawFn) -> list[CondaPackage]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    made = []
    # No circles: where two packages of one bring the same path, no order is right.
    for number, name in enumerate(names):
        needs = st.lists(st.sampled_from(names[:number]), unique=True, max_size=2)
        own = draw(st.dictionaries(st.sampled_from(PATHS), files, max_size=4))
        linked = {f"lib/of-{name}": CondaFile(link=f"../{path}") for path in list(own)[:1]}
        made.append(
            conda_package(
                name,
                files={**own, **linked},
                depends=draw(needs) if number else [],
                form=draw(st.sampled_from([".conda", ".tar.bz2"])),
                noarch=draw(st.sampled_from([None, "generic"])),
            )
        )
    return made


@settings(max_examples=25, deadline=None)
@given(environments())
def test_the_prefix_is_the_one_py_rattler_makes(packages: list[CondaPackage]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = link(Store(folder / "store"), packages)
        found: dict[str, bytes | str] = {
            path: item.linkname if item.issym() else ours.contents[path]
            for path, item in ours.members.items()
            if not item.isdir() and not path.startswith("conda-meta/")
        }
        theirs = {
            path: content
            for path, content in folder_contents(
                rattler_link(folder, packages, DEFAULT_PLATFORM)
            ).items()
            if not path.startswith(("__clobbers__/", "conda-meta/")) and path != "CACHEDIR.TAG"
        }
        assert found == theirs
