"""Wheels: what is installed, and what is refused."""

from __future__ import annotations

import hashlib
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import parse_wheel_filename

from imagelock.layers.entries import Entry, Kind
from imagelock.layers.scheme import Scheme
from imagelock.layers.tar import tar_chunks
from imagelock.layers.untar import read_tar
from imagelock.layers.venv import venv_layer, wheels_layer
from imagelock.layers.wheel import Wheel
from imagelock.model.errors import IntegrityError
from imagelock.model.lock import PythonPin, PythonProvider
from imagelock.model.names import pip_name
from imagelock.model.platform import DEFAULT_PLATFORM
from support.archives import wheel_of

SCHEME = Scheme.of_venv("/opt/venv", "3.11.2")
SITE = "opt/venv/lib/python3.11/site-packages"
THING = {
    "thing/__init__.py": b"print('hello')\n",
    "thing/native.so": b"\x7fELF",
    "thing-1.0.dist-info/entry_points.txt": b"[console_scripts]\nthing = thing.main:run [extra]\n",
    "thing-1.0.data/scripts/tool": b"#!python -u\nprint('tool')\n",
    "thing-1.0.data/scripts/binary": b"\x7fELF binary",
    "thing-1.0.data/data/share/thing.txt": b"data\n",
    "thing-1.0.data/headers/thing.h": b"int x;\n",
    "thing-1.0.data/purelib/other.py": b"",
}


def opened(data: bytes, name: str = "thing") -> Wheel:
    return Wheel(io.BytesIO(data), name=pip_name(name), where="w.whl", archive_size=len(data))


def layer_of(*wheels: bytes, requested: bool = True) -> bytes:
    layer = wheels_layer([(opened(data), requested) for data in wheels], SCHEME)
    return b"".join(tar_chunks(layer.entries))


def files_of(data: bytes) -> dict[str, tuple[Entry, bytes]]:
    found = {}
    for entry in read_tar(io.BytesIO(data), where="t"):
        found[entry.path] = (entry, b"".join(entry.content))
    return found


def test_a_wheel_is_installed_as_the_format_says() -> None:
    found = files_of(layer_of(wheel_of(THING, modes={"thing/native.so": 0o755})))
    assert found[f"{SITE}/thing/__init__.py"][1] == b"print('hello')\n"
    assert found[f"{SITE}/thing/__init__.py"][0].mode == 0o644
    assert found[f"{SITE}/thing/native.so"][0].mode == 0o755
    assert found["opt/venv/bin/tool"][1] == b"#!/opt/venv/bin/python -u\nprint('tool')\n"
    assert found["opt/venv/bin/binary"][0].mode == 0o755
    assert found["opt/venv/share/thing.txt"][1] == b"data\n"
    assert found["opt/venv/include/site/python3.11/thing/thing.h"][1] == b"int x;\n"
    assert found[f"{SITE}/other.py"][1] == b""
    launcher = found["opt/venv/bin/thing"]
    assert launcher[0].mode == 0o755
    assert launcher[1].startswith(b"#!/opt/venv/bin/python\n")
    assert b"from thing.main import run\n" in launcher[1]
    assert found[f"{SITE}/thing-1.0.dist-info/INSTALLER"][1] == b"imagelock\n"
    assert found[f"{SITE}/thing-1.0.dist-info/REQUESTED"][1] == b""
    assert all(entry.uid == entry.gid == 0 for entry, _ in found.values())


def test_record_lists_every_file_with_its_hash_sorted() -> None:
    found = files_of(layer_of(wheel_of(THING)))
    lines = found[f"{SITE}/thing-1.0.dist-info/RECORD"][1].decode().splitlines()
    assert lines == sorted(lines)
    listed = {line.split(",")[0] for line in lines}
    assert "../../../bin/thing" in listed
    assert "../../../share/thing.txt" in listed
    installed = {path for path, (entry, _) in found.items() if entry.kind is Kind.FILE}
    assert len(listed) == len(installed)
    import base64
    import posixpath

    for line in lines:
        path, digest, size = line.rsplit(",", 2)
        data = found[posixpath.normpath(f"{SITE}/{path}")][1]
        if digest:
            raw = hashlib.sha256(data).digest()
            assert digest == "sha256=" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
            assert int(size) == len(data)


@pytest.mark.parametrize(
    ("executable", "site", "scripts"),
    [
        ("/usr/bin/python3.11", "usr/local/lib/python3.11/dist-packages", "usr/local/bin"),
        ("/usr/local/bin/python3", "usr/local/lib/python3.11/site-packages", "usr/local/bin"),
        ("/opt/conda/bin/python", "opt/conda/lib/python3.11/site-packages", "opt/conda/bin"),
        ("/bin/python", "lib/python3.11/site-packages", "bin"),
    ],
)
def test_an_interpreter_of_the_base_is_installed_into(
    executable: str, site: str, scripts: str
) -> None:
    scheme = Scheme.of_interpreter(executable, "3.11.2")
    layer = wheels_layer([(opened(wheel_of(THING)), True)], scheme)
    found = files_of(b"".join(tar_chunks(layer.entries)))
    assert f"{site}/thing/__init__.py" in found
    assert found[f"{scripts}/thing"][1].startswith(f"#!{executable}\n".encode())
    record = found[f"{site}/thing-1.0.dist-info/RECORD"][1].decode()
    up = "../" * (site.count("/") + 1 - scripts.count("/"))
    assert f"\n{up}bin/thing," in f"\n{record}"


def test_not_requested_has_no_mark() -> None:
    assert f"{SITE}/thing-1.0.dist-info/REQUESTED" not in files_of(
        layer_of(wheel_of(THING), requested=False)
    )


def test_golden_layers() -> None:
    assert (
        hashlib.sha256(layer_of(wheel_of(THING))).hexdigest()
        == "92135292de4bf486bd000af8d4cdb7b459d377c69c2bd303081eca1381d080ea"
    )
    python = PythonPin(
        version="3.11.2",
        implementation="cpython",
        provider=PythonProvider.APT,
        executable="/usr/bin/python3.11",
        platforms=(DEFAULT_PLATFORM,),
    )
    data = b"".join(tar_chunks(venv_layer(python, "/opt/venv").entries))
    assert (
        hashlib.sha256(data).hexdigest()
        == "fd0875c7b106abb19d12e2717dedb0ff48366e86bd75bd3e968848dd2ae78f4c"
    )


def test_the_order_of_members_changes_nothing() -> None:
    one = layer_of(wheel_of(THING))
    assert layer_of(wheel_of(dict(reversed(THING.items())))) == one


def zip_item(path: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    item = zipfile.ZipInfo(path, (2023, 1, 1, 0, 0, 0))
    item.external_attr = mode << 16
    return item


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (wheel_of({"../evil.py": b""}), "leads out"),
        (wheel_of({"/etc/evil": b""}), "not a relative path"),
        (wheel_of({"a\\..\\b": b""}), "not a relative path"),
        (wheel_of({"C:evil": b""}), "not a relative path"),
        (wheel_of({"thing.py": b""}, extra=[(zip_item("x.py"), b"")]), "not listed in RECORD"),
        (wheel_of({}, extra=[(zip_item("l", 0o120777), b"/etc/passwd")]), "not a regular file"),
        (wheel_of({}, extra=[(zip_item("d", 0o020666), b"")]), "not a regular file"),
        (wheel_of({"a": b""}, record=lambda r: r + b"gone.py,sha256=x,1\n"), "no such file"),
        (wheel_of({"a": b""}, record=lambda r: r + r.splitlines()[0] + b"\n"), "twice"),
        (wheel_of({"a": b"x"}, record=lambda r: r.replace(b"a,sha256=", b"a,md5=")), "no sha256"),
        (wheel_of({"a": b"x"}, record=lambda r: r.replace(b",1\n", b",2\n", 1)), "RECORD says 2"),
        (wheel_of({"a": b"x"}, record=lambda r: b"a,sha256=AAAA,1\n" + r[r.index(b"\n") + 1 :]),
         "RECORD says sha256=AAAA"),
        (wheel_of({"a": b""}, record=lambda r: r + b"../../x,,\n"), "leads out"),
        (wheel_of({"thing-1.0.data/etc/passwd": b""}), "no known folder"),
        (wheel_of({"thing-1.0.dist-info/entry_points.txt":
                   b"[console_scripts]\n../../x = a:b\n"}), "no name for a script"),
        (wheel_of({"thing-1.0.dist-info/entry_points.txt":
                   b"[console_scripts]\nx = a;import os:b\n"}), "module:function"),
        (wheel_of({"a": b"", "a/b": b""}), "lies below a file"),
        (wheel_of({}, name="other"), "expected a wheel of 'thing'"),
        (b"not a zip at all", "not a readable wheel"),
        (wheel_of(THING)[:-40], "not a readable wheel"),
    ],
)  # fmt: skip
def test_hostile_wheels_are_refused(data: bytes, problem: str) -> None:
    with pytest.raises(IntegrityError, match=problem) as caught:
        layer_of(data)
    assert caught.value.exit_code == 5


def test_a_doubled_member_is_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = wheel_of({"thing.py": b"one"}, extra=[(zip_item("thing.py"), b"two")])
    with pytest.raises(IntegrityError, match="there twice"):
        layer_of(data)


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    item = zip_item("zeros")
    item.compress_type = zipfile.ZIP_DEFLATED
    data = bytearray(wheel_of({}, extra=[(item, bytes(1 << 16))]))
    # The central directory claims 4 GiB less one byte, three times over what is honest.
    central = data.rindex(b"PK\x01\x02")
    data[central + 24 : central + 28] = b"\xfe\xff\xff\xff"
    with pytest.raises(IntegrityError, match="unpacks to"):
        opened(bytes(data))


WORDS = st.sampled_from(["py2", "py3", "cp311", "none", "abi3", "any", "linux_x86_64"])


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=4))
def test_its_file_name_says_what_is_in_it(tags: list[tuple[str, str, str]]) -> None:
    made = opened(wheel_of({}, name="a_thing", tags=["-".join(tag) for tag in tags]), "a-thing")
    name, version, build, found = parse_wheel_filename(made.filename)
    assert (name, str(version), build) == ("a-thing", "1.0", ())
    assert {tuple(str(tag).split("-")) for tag in found} >= set(tags)


@pytest.mark.parametrize("tags", [(), ("py3-none",), ("py3-none-../../any",), ("py3-none-é",)])
def test_a_wheel_of_no_tags_has_no_file_name(tags: tuple[str, ...]) -> None:
    with pytest.raises(IntegrityError, match="tags"):
        _ = opened(wheel_of({}, tags=tags)).filename
