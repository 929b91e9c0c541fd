"""Licences in bills: what packages declare, told from what they leave open."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st

from imagelock.app.context import Context, host_context
from imagelock.app.licenses import declared_licenses
from imagelock.fetch.store import Store
from imagelock.lock import encode_lock
from imagelock.lock.export.cyclonedx import export_cyclonedx
from imagelock.lock.export.licenses import (
    copyright_names,
    license_of_copyright,
    license_of_metadata,
    spdx_expression,
)
from imagelock.lock.export.spdx import export_spdx
from imagelock.model.archives import Artifact
from imagelock.model.errors import ImagelockError, IntegrityError, NetworkError
from imagelock.model.lock import SPEC_ROOT, AptPin, Lock, PipPin
from imagelock.model.names import sha256
from support.command import call
from support.example_lock import AMD64, apt_pin, example_lock, pip_pin
from support.wheels import metadata_text, sdist, wheel

FORMAT = "https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
OSI = "License :: OSI Approved"


@pytest.mark.parametrize(
    ("expression", "text", "classifiers", "found"),
    [
        ("mit or apache-2.0", "BSD", [f"{OSI} :: ISC License (ISCL)"], "MIT OR Apache-2.0"),
        ("no such thing", "MIT", [f"{OSI} :: MIT License"], None),
        ("LicenseRef-Own", None, [], None),
        ("MIT AND " * 300 + "MIT", None, [], None),
        (None, "bsd-3-clause", [f"{OSI} :: MIT License"], "BSD-3-Clause"),
        (None, "GPL-3.0-only WITH GCC-exception-3.1", [], "GPL-3.0-only WITH GCC-exception-3.1"),
        (None, "BSD", [f"{OSI} :: BSD License"], None),
        (None, "MIT License\n  Permission is hereby …", [f"{OSI} :: MIT License"], "MIT"),
        (None, "Apache 2.0", [f"{OSI} :: Apache Software License"], None),
        (None, "", [OSI, f"{OSI} :: Mozilla Public License 2.0 (MPL 2.0)"], "MPL-2.0"),
        (None, None, [f"{OSI} :: MIT License", f"{OSI} :: ISC License (ISCL)"], None),
        (None, None, [f"{OSI} :: MIT License", f"{OSI} :: BSD License"], None),
        (None, None, [f"{OSI} :: MIT License", "License :: Other/Proprietary License"], None),
        (None, None, [f"{OSI} :: GNU General Public License v3 (GPLv3)"], None),
        (None, None, [OSI, "Programming Language :: Python"], None),
        (None, None, [], None),
    ],
)
def test_what_metadata_declares(
    expression: str | None, text: str | None, classifiers: list[str], found: str | None
) -> None:
    assert license_of_metadata(expression, text, classifiers) == found


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["Expat"], "MIT"),
        (["GPL-2+"], "GPL-2.0-or-later"),
        (["LGPL-2.1"], "LGPL-2.1-only"),
        (["AGPL-3"], "AGPL-3.0-only"),
        (["GPL-3+", "BSD-3-clause", "Expat", "Expat"], "BSD-3-Clause AND GPL-3.0-or-later AND MIT"),
        (["GPL-3+", "public-domain"], None),
        (["GPL-2+ or Artistic"], None),
        (["GPL-2+ with OpenSSL exception"], None),
        (["MIT"], None),
        (["Artistic"], None),
        (["GPL"], None),
        ([], None),
    ],
)
def test_what_a_copyright_file_declares(names: list[str], found: str | None) -> None:
    assert license_of_copyright(names) == found


def test_a_copyright_file_names_the_licence_of_every_paragraph() -> None:
    text = (
        f"# a comment\nFormat: {FORMAT}\nUpstream-Name: x\nLicense: ISC\n\n"
        "Files: *\nCopyright: 1999 me\n 2000 you\nLicense: Expat\n Permission …\n .\n More\n\n"
        "Files: debian/*\nCopyright: them\nlicense: GPL-2+\n\n"
        "License: BSD-3-clause\n the text of one that no paragraph uses\n"
    )
    assert copyright_names(text) == ("Expat", "GPL-2+")
    assert copyright_names(text.replace("\n", "\r\n")) == ("Expat", "GPL-2+")
    assert copyright_names(text.replace("license: GPL-2+\n", "")) == ()
    assert copyright_names(text.replace(FORMAT, "https://elsewhere.example/")) == ()
    assert copyright_names("It was packaged by me.\n\nFiles: *\nLicense: Expat\n") == ()


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    copyright_names(text)
    copyright_names(f"Format: {FORMAT}\n\nFiles: *\nLicense: {text}")
    license_of_metadata(None, text, [f"License :: {text}"])
    found = license_of_copyright([text])
    for one in (found, spdx_expression(text)):
        assert one is None or spdx_expression(one) == one


def deb(name: str, license_name: str, *, data: bytes | None = None) -> bytes:
    """A package with a copyright file; ``data`` replaces its files."""

    def packed(**files: str) -> bytes:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as archive:
            for path, text in files.items():
                entry = tarfile.TarInfo(f"./{path}")
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))
        return gzip.compress(file.getvalue(), mtime=0)

    text = f"Format: {FORMAT}\n\nFiles: *\nCopyright: me\nLicense: {license_name}\n"
    control = f"Package: {name}\nVersion: 1\nArchitecture: all\n"
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": packed(control=control),
        "data.tar.gz": data or packed(**{f"usr/share/doc/{name}/copyright": text}),
    }
    made = b"!<arch>\n"
    for member, content in members.items():
        made += f"{member:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        made += content + b"\n" * (len(content) % 2)
    return made


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return dataclasses.replace(host_context(offline=True), store=Store(tmp_path / "store"))


def lock_of(store: Store, *, keep: bool = True, **files: bytes) -> Lock:
    """A lock of packages by their files; what ends in ``deb`` is one."""
    apt, pip = [], []
    for label, data in files.items():
        name, _, kind = label.partition("_")
        ending = {"": "-1-py3-none-any.whl", "sdist": "-1.tar.gz", "deb": "_1_all.deb"}[kind]
        digest = sha256(hashlib.sha256(data).hexdigest())
        if keep:
            store.add_bytes(data)
        archive = "debian" if kind == "deb" else "pypi"
        held = Artifact(archive=archive, path=f"p/{name}{ending}", sha256=digest, size=len(data))
        if kind == "deb":
            pin = apt_pin(name, "1", (SPEC_ROOT, ""), architecture="all")
            apt.append(dataclasses.replace(pin, artifact=held))
        else:
            pip.append(dataclasses.replace(pip_pin(name, "1", (SPEC_ROOT, "")), artifact=held))
    return dataclasses.replace(example_lock(), apt=tuple(apt), pip=tuple(pip))


def declared(lock: Lock, context: Context) -> dict[str, str]:
    found = declared_licenses(lock, lock.platforms, context=context, folder=Path())
    pins: tuple[AptPin | PipPin, ...] = (*lock.apt, *lock.pip)
    named = {pin.artifact.sha256: str(pin.name) for pin in pins}
    return {named[digest]: text for digest, text in found.items()}


def test_packages_are_read_and_remembered(context: Context) -> None:
    store = context.store
    lock = lock_of(
        store,
        new=wheel("new", "1", license_expression="mit"),
        large=wheel("large", "1", padding=300_000, early=True, license="ISC"),
        open=wheel("open", "1"),
        no=b"no zip at all",
        source_sdist=sdist("source", "1", metadata_text("source", "1", license="Apache-2.0")),
        tool_deb=deb("tool", "GPL-2+"),
        dark_deb=deb("dark", "public-domain"),
    )
    expected = {"new": "MIT", "large": "ISC", "source": "Apache-2.0", "tool": "GPL-2.0-or-later"}
    assert declared(lock, context) == expected
    records = sorted((store.root / "records").glob("licenses-1/*"))
    assert len(records) == 7
    assert declared(lock, context) == expected
    for export in (export_spdx, export_cyclonedx):
        found = declared_licenses(lock, lock.platforms, context=context, folder=Path())
        text = export(lock, None, found)
        assert text == export(lock, None, dict(reversed([*found.items()])))
        assert all(name in text for name in expected.values())
        assert text != export(lock)
    document = export_cyclonedx(lock, None, found)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document) is None
    packages = json.loads(export_spdx(lock, None, found))["packages"]
    assert {item["licenseConcluded"] for item in packages} == {"NOASSERTION"}


def test_what_is_not_there_is_an_error_and_not_another_bill(context: Context) -> None:
    lock = lock_of(context.store, keep=False, new=wheel("new", "1", license_expression="MIT"))
    with pytest.raises(NetworkError, match="not in the store"):
        declared(lock, context)


def test_only_bytes_of_the_lock_are_read(context: Context) -> None:
    lock = lock_of(context.store, new=wheel("new", "1", license_expression="MIT"))
    path = context.store.path(lock.pip[0].artifact.sha256)
    path.chmod(0o644)
    path.write_bytes(wheel("new", "1", license_expression="ISC"))
    with pytest.raises(IntegrityError, match="do not have the hash"):
        declared(lock, context)
    with pytest.raises(ImagelockError) as caught:
        declared(lock_of(context.store, bad_deb=deb("bad", "ISC", data=b"\x1f\x8bx")), context)
    assert isinstance(caught.value, IntegrityError)


def test_conda_s_are_in_the_lock() -> None:
    from support.conda_channel import conda_package
    from support.conda_sites import conda_pin

    pin = dataclasses.replace(conda_pin(conda_package("lib", "1.0")), license="bsd-3-clause")
    own = dataclasses.replace(pin, name="own", license="LicenseRef-own")
    lock = dataclasses.replace(example_lock(), conda=(pin, own))
    packages = json.loads(export_spdx(lock))["packages"]
    found = {item["name"]: item["licenseDeclared"] for item in packages}
    assert (found["lib"], found["own"]) == ("BSD-3-Clause", "NOASSERTION")


def test_the_command(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    lock = lock_of(store, new=wheel("new", "1", license_expression="MIT"), aa_deb=deb("aa", "ISC"))
    path = tmp_path / "t.lock"
    path.write_bytes(encode_lock(lock))
    env = {"IMAGELOCK_STORE": str(store.root), "IMAGELOCK_OFFLINE": "1"}
    plain = call("export", str(path), "--format", "spdx", env=env)
    found = call(
        "export", str(path), "--format", "spdx", "--licenses", "--platform", str(AMD64), env=env
    )
    assert (plain.code, found.code) == (0, 0), found.err
    assert '"licenseDeclared": "MIT"' in found.out
    assert '"licenseDeclared": "MIT"' not in plain.out
    refused = call("export", str(path), "--format", "pylock", "--licenses", env=env)
    assert refused.code == 2
    assert "the format pylock has no licences" in refused.err
