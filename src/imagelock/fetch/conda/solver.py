"""The solver's port over py-rattler, which works in a process of its own.

The indexes are fetched and kept by :mod:`imagelock.fetch.conda.repodata`; the solver is given
their files.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict
from functools import cmp_to_key
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

from imagelock.fetch.conda.repodata import Repodata
from imagelock.fetch.http import Http, redact
from imagelock.fetch.store import Store
from imagelock.model.conda_version import compare_conda_versions
from imagelock.model.errors import NetworkError, NotFound, UsageError
from imagelock.model.lock import NoArch
from imagelock.resolve.conda.ports import CondaProblem, CondaRecord, Unsolvable

Json = dict[str, Any]

_WORKER: Final = "imagelock.fetch.conda.worker"
_SECONDS_LIMIT: Final = 253_402_300_800
"""A timestamp below it is in seconds, as old packages have it."""


class RattlerSolver:
    """Channels in the store, solved over by py-rattler; a context that ends its process."""

    def __init__(self, store: Store, http: Http) -> None:
        if find_spec("rattler") is None:
            raise UsageError(
                "conda packages need py-rattler, which is not installed",
                where="conda.packages",
                hint="install imagelock with its extra: imagelock[conda]",
            )
        self._scratch = store.root / "tmp" / "rattler"
        self._repodata = Repodata(store, http, self._check)
        self._worker: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker.communicate()
            self._worker = None

    def solve(self, problem: CondaProblem) -> tuple[CondaRecord, ...]:
        """One record a package, sorted by name. Unsolvable with the reason."""
        found = self._ask(
            {
                "ask": "solve",
                "channels": self._channels(problem),
                "specs": problem.specs,
                "constraints": problem.constraints,
                "subdir": problem.platform.conda_subdir,
                "virtual_packages": [
                    (item.name, item.version, item.build) for item in problem.virtual_packages
                ],
                "priority": problem.priority.value,
                "preferred": [asdict(record) for record in problem.preferred],
                "cutoff": None if problem.cutoff is None else problem.cutoff.timestamp(),
                "scratch": str(self._scratch),
            }
        )
        if "unsolvable" in found:
            raise Unsolvable(found["unsolvable"])
        return tuple(sorted(_records(found["records"]), key=lambda record: record.name))

    def versions(self, name: str, problem: CondaProblem) -> tuple[CondaRecord, ...]:
        """Every record of a package on the problem's platform, oldest first."""
        channels = self._channels(problem)
        found = self._ask({"ask": "versions", "channels": channels, "name": name})
        by_version = cmp_to_key(compare_conda_versions)
        records = _records(found["records"])
        return tuple(
            sorted(records, key=lambda item: (by_version(item.version), item.build_number))
        )

    def names(self, problem: CondaProblem) -> frozenset[str]:
        """The names of all packages on the problem's platform."""
        return frozenset(self._ask({"ask": "names", "channels": self._channels(problem)})["names"])

    def _channels(self, problem: CondaProblem) -> list[tuple[str, dict[str, str]]]:
        """The files of each channel's indexes by folder. NotFound for a channel without any."""
        found = []
        for channel in problem.channels:
            folders = {
                subdir: str(path)
                for subdir in (problem.platform.conda_subdir, "noarch")
                if (path := self._index(channel, subdir)) is not None
            }
            if not folders:
                raise NotFound(
                    f"there is no channel with packages for {problem.platform.conda_subdir}"
                    " or noarch",
                    where=redact(channel),
                    hint="check its name under conda.channels; a private one needs credentials",
                )
            found.append((channel, folders))
        return found

    def _index(self, channel: str, subdir: str) -> Path | None:
        if channel.startswith("file:"):
            return self._repodata.local(local_folder(channel) / subdir)
        return self._repodata.path(f"{channel}{subdir}/")

    def _check(self, path: Path) -> None:
        """Raise ValueError for a file that rattler reads no index in."""
        problem = self._ask({"ask": "check", "path": str(path)}).get("problem")
        if problem is not None:
            raise ValueError(problem)

    def _ask(self, request: Json) -> Json:
        if self._worker is None:
            self._worker = subprocess.Popen(
                [sys.executable, "-m", _WORKER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        worker = self._worker
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            worker.stdin.write(json.dumps(request) + "\n")
            worker.stdin.flush()
            line = worker.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise NetworkError(
                f"the conda solver ended without an answer (exit {worker.wait()})",
                where="py-rattler",
                hint="is there enough memory? else tell us, with the spec",
            )
        answer: Json = json.loads(line)
        if "failed" in answer:
            raise NetworkError(
                f"the channels cannot be read: {answer['failed']}",
                where=", ".join(redact(url) for url, _ in request.get("channels", ())),
                hint="a channel's index is faulty: tell who runs it",
            )
        return answer


def local_folder(url: str) -> Path:
    """The folder of a ``file:`` URL."""
    return Path(unquote(urlsplit(url).path))


def _records(found: Iterable[Json]) -> list[CondaRecord]:
    return [_record_of(fields) for fields in found]


def _record_of(fields: Json) -> CondaRecord:
    """A record as the model has it."""
    noarch = fields.get("noarch")
    features = fields.get("track_features") or ()
    if isinstance(features, str):
        features = features.replace(",", " ").split()
    stamp = fields.get("timestamp")
    channel = fields.get("channel") or ""
    return CondaRecord(
        name=fields["name"],
        version=fields["version"],
        build=fields["build"],
        build_number=fields["build_number"],
        subdir=fields["subdir"],
        url=fields["url"],
        channel=channel if channel.endswith("/") else f"{channel}/",
        sha256=fields.get("sha256"),
        size=fields.get("size"),
        md5=fields.get("md5"),
        noarch=NoArch(noarch) if noarch else None,
        depends=tuple(sorted(set(fields.get("depends", ())))),
        constrains=tuple(sorted(set(fields.get("constrains", ())))),
        track_features=tuple(sorted(features)),
        python_site_packages_path=fields.get("python_site_packages_path"),
        timestamp=stamp * 1000 if stamp is not None and stamp < _SECONDS_LIMIT else stamp,
        license=fields.get("license"),
    )
