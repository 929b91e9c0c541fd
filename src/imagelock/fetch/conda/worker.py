"""py-rattler in a process of its own: the one place that imports it to solve.

Its threads may still run when the interpreter ends, which then crashes; this process ends without
an interpreter's end, and gives back the memory of the indexes at once. Requests and answers are
lines of JSON on stdin and stdout, one at a time. It is given files and never a network.

py-rattler is 0.x and pinned exactly.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from rattler import (
    Channel,
    ChannelPriority,
    Gateway,
    GenericVirtualPackage,
    MatchSpec,
    PackageName,
    PackageRecord,
    RepoDataRecord,
    Subdir,
    Version,
)
from rattler.exceptions import SolverError
from rattler.package.build_string import BuildString
from rattler.package.no_arch_type import NoArchType
from rattler.repo_data.sparse import SparseRepoData
from rattler.solver import solve

Json = dict[str, Any]

_PRIORITIES = {
    "strict": ChannelPriority.Strict,
    "flexible": ChannelPriority.Flexible,
    "disabled": ChannelPriority.Disabled,
}


class Indexes:
    """Indexes by their file, each opened once."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, str], SparseRepoData] = {}

    def index(self, channel: str, subdir: str, path: str) -> SparseRepoData:
        """The index in a file."""
        key = (channel, subdir, path)
        if key not in self._open:
            self._open[key] = SparseRepoData(Channel(channel), subdir, path)
        return self._open[key]

    def of(self, request: Json) -> list[Sorted]:
        """The channels of a request, in order."""
        return [
            Sorted({subdir: self.index(url, subdir, path) for subdir, path in folders.items()})
            for url, folders in request["channels"]
        ]


class Sorted:
    """A channel as rattler asks for it, the records of a name in the order of conda-index.

    Between builds that rank alike the solver takes the first it was given, so that the order of
    an index would show.
    """

    def __init__(self, indexes: dict[str, SparseRepoData]) -> None:
        self._indexes = indexes

    async def fetch_package_records(
        self, platform: Subdir, name: PackageName
    ) -> list[RepoDataRecord]:
        """The records of a name in a folder."""
        index = self._indexes.get(str(platform))
        return [] if index is None else sorted(index.load_records(name), key=_index_order)

    def package_names(self, platform: Subdir) -> list[str]:
        """The names in a folder."""
        index = self._indexes.get(str(platform))
        return [] if index is None else index.package_names()

    def records(self, name: str) -> list[RepoDataRecord]:
        """The records of a name in every folder."""
        return [
            item
            for index in self._indexes.values()
            for item in sorted(index.load_records(name), key=_index_order)
        ]

    def names(self) -> set[str]:
        """The names in every folder."""
        return {name for index in self._indexes.values() for name in index.package_names()}


def _index_order(record: RepoDataRecord) -> tuple[bool, str]:
    return record.file_name.endswith(".conda"), record.file_name


def answer(request: Json, indexes: Indexes) -> Json:
    """The answer to one request."""
    match request["ask"]:
        case "check":
            # its errors have no common class
            try:
                index = SparseRepoData(
                    Channel("https://channel.invalid/"), "noarch", request["path"]
                )
                index.record_count()
                index.close()
            except Exception as error:  # noqa: BLE001
                return {"problem": (str(error) or "not JSON").splitlines()[0]}
            return {}
        case "solve":
            try:
                found = asyncio.run(_solve(request, indexes.of(request)))
            except SolverError as error:
                return {"unsolvable": str(error)}
            return {"records": [_fields(record) for record in found]}
        case "versions":
            channels = indexes.of(request)
            found = [item for channel in channels for item in channel.records(request["name"])]
            return {"records": [_fields(record) for record in found]}
        case _:
            return {
                "names": sorted({n for channel in indexes.of(request) for n in channel.names()})
            }


async def _solve(request: Json, channels: list[Sorted]) -> list[RepoDataRecord]:
    """Solve through a gateway, which has nobody to ask here.

    It leaves out the versions that the specs do not allow before it ranks the rest, and so
    answers as pixi does.
    """
    from datetime import UTC, datetime

    cutoff = request["cutoff"]
    return await solve(
        channels,
        [MatchSpec(text, strict=True) for text in request["specs"]],
        constraints=[MatchSpec(text, strict=True) for text in request["constraints"]],
        gateway=Gateway(cache_dir=request["scratch"]),
        platforms=[Subdir(request["subdir"]), Subdir("noarch")],
        locked_packages=[_preferred(fields, channels) for fields in request["preferred"]],
        virtual_packages=[
            GenericVirtualPackage(PackageName(name), Version(version), BuildString(build))
            for name, version, build in request["virtual_packages"]
        ],
        channel_priority=_PRIORITIES[request["priority"]],
        exclude_newer=None if cutoff is None else datetime.fromtimestamp(cutoff, UTC),
        channel_relations="disabled",
    )


def _preferred(fields: Json, channels: list[Sorted]) -> RepoDataRecord:
    """A record to keep as its channel describes it today; as then, if it is gone.

    A channel may mend the dependencies of what it has: the mended ones count.
    """
    for channel in channels:
        for record in channel.records(fields["name"]):
            if record.url == fields["url"] and record.sha256 == bytes.fromhex(fields["sha256"]):
                return record
    return _record(fields)


def _record(fields: Json) -> RepoDataRecord:
    """A record as the solver takes it back."""
    from datetime import UTC, datetime

    package = PackageRecord(
        name=fields["name"],
        version=fields["version"],
        build=BuildString(fields["build"]),
        build_number=fields["build_number"],
        subdir=fields["subdir"],
        noarch=NoArchType(fields["noarch"]),
        depends=fields["depends"],
        constrains=fields["constrains"],
        sha256=bytes.fromhex(fields["sha256"]),
        md5=bytes.fromhex(fields["md5"]) if fields["md5"] else None,
        size=fields["size"],
        license=fields["license"],
        python_site_packages_path=fields["python_site_packages_path"],
    )
    package.track_features = fields["track_features"]
    if fields["timestamp"] is not None:
        package.timestamp = datetime.fromtimestamp(fields["timestamp"] / 1000, UTC)
    filename = fields["url"].rpartition("/")[2]
    return RepoDataRecord(package, filename, fields["url"], fields["channel"])


def _fields(record: RepoDataRecord) -> Json:
    fields: Json = json.loads(record.to_json())
    return fields


def main() -> None:
    """Answer every line until there are no more."""
    indexes = Indexes()
    for line in sys.stdin:
        try:
            found = answer(json.loads(line), indexes)
        except Exception as error:  # noqa: BLE001 - what channels hold is anybody's
            found = {"failed": f"{error}" or type(error).__name__}
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
    os._exit(0)  # not sys.exit: see the module's text


if __name__ == "__main__":
    main()
