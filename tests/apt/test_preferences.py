"""Pins of a base mean what the real apt takes them to mean."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.apt import open_suites
from imagelock.model.base import BaseFile
from imagelock.model.debian import Installed
from imagelock.model.errors import NoSolution
from imagelock.model.platform import Platform
from imagelock.resolve.apt.preferences import parse_preferences
from support.apt_agreement import compare
from support.apt_oracle import AptOracle
from support.debian_archive import Suite, packages_file, serve, source, stanza
from support.local_server import LocalServer

SUITES = (
    Suite(
        name="stable",
        packages={
            ("main", "amd64"): packages_file(
                stanza("app", "1", Depends="lib", Source="src-app"), stanza("lib", "1")
            )
        },
        fields={"Origin": "Good", "Label": "Main"},
    ),
    Suite(
        name="newer",
        packages={
            ("main", "amd64"): packages_file(
                stanza("app", "2", Depends="lib", Source="src-app"), stanza("lib", "2")
            )
        },
        fields={"Origin": "Vendor", "Label": "Extras"},
    ),
    Suite(
        name="backports",
        packages={("main", "amd64"): packages_file(stanza("app", "3"), stanza("lib", "3"))},
        fields={"NotAutomatic": "yes", "ButAutomaticUpgrades": "yes"},
    ),
)
RECORDS = {
    "none": "",
    "suite": "Package: *\nPin: release a=newer\nPin-Priority: 400\n",
    "suite-bare": "Package: *\nPin: release stable\nPin-Priority: 900\n",
    "origin": "Package: *\nPin: release o=Vendor\nPin-Priority: -1\n",
    "label": "Package: lib\nPin: release l=Extras\nPin-Priority: 10\n",
    "version": "Package: app\nPin: version 1*\nPin-Priority: 990\n",
    "several": "Package: app lib\nPin: release n=backports, c=main\nPin-Priority: 600\n",
    "glob": "Package: l*\nPin: release n=stable\nPin-Priority: 501\n",
    "regex": "Package: /^li/\nPin: release n=stable\nPin-Priority: 501\n",
    "source": "Package: src:src-app\nPin: release n=stable\nPin-Priority: 501\n",
    "specific-wins": (
        "Package: *\nPin: release n=newer\nPin-Priority: 100\n\n"
        "# a remark\nExplanation: that one only\nPackage: app\n"
        "Pin: release n=newer\nPin-Priority: 700\n"
    ),
    "first-wins": (
        "Package: app\nPin: release n=stable\nPin-Priority: 700\n\n"
        "Package: app\nPin: release n=stable\nPin-Priority: 100\n"
    ),
    "host": 'Package: *\nPin: origin "127.0.0.1"\nPin-Priority: 5\n',
    "never": "Package: lib\nPin: release *\nPin-Priority: -10\n",
    "architecture": "Package: app:amd64\nPin: release b=amd64,n=stable\nPin-Priority: 800\n",
}


@pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get as the oracle")
@pytest.mark.parametrize("record", list(RECORDS))
@pytest.mark.parametrize("words", [("app",), ("lib", "app")])
def test_pins(
    server: LocalServer, context: Context, tmp_path: Path, record: str, words: tuple[str, ...]
) -> None:
    for suite in SUITES:
        serve(server, suite)
    data = RECORDS[record].encode()
    suites = open_suites(
        tuple(source(server, suite=suite.name) for suite in SUITES),
        Platform("linux/amd64"),
        context=context,
        options=ResolveOptions(),
        preferences=(BaseFile(path="/etc/apt/preferences", data=data),),
    )
    oracle = AptOracle(tmp_path, suites.fetched, b"", "amd64", preferences=data)
    assert compare(suites, Installed(), oracle, words, recommends=False) is None


@pytest.mark.parametrize(
    "record",
    [
        "Package: x\nPin: release a=b\n",
        "Package: x\nPin: release a=b\nPin-Priority: 0\n",
        "Package: x\nPin: moon a=b\nPin-Priority: 1\n",
        "Pin: release a=b\nPin-Priority: 1\n",
    ],
)
def test_records_that_mean_nothing_are_refused(record: str) -> None:
    with pytest.raises(NoSolution, match="cannot be read"):
        parse_preferences(record.encode(), where="/etc/apt/preferences")
