"""The way in: TOML bytes to a Spec, or every problem at once."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from imagelock.model.errors import Problem, SpecError
from imagelock.model.pip_spec import RequirementsFile
from imagelock.model.spec import Spec
from imagelock.spec.document import decode_text, parse_document
from imagelock.spec.findings import Finding, key_path_text, place_findings
from imagelock.spec.key_files import with_keys
from imagelock.spec.local import LocalFiles, with_local_channels, with_local_content
from imagelock.spec.other_locks.choosing import Choosing
from imagelock.spec.reader import Reader
from imagelock.spec.requirements import RequirementsReader
from imagelock.spec.requirements_options import with_options
from imagelock.spec.rule import RuleBroken
from imagelock.spec.rules_place import RELATIVE_PATH
from imagelock.spec.rules_text import IMAGE_NAME
from imagelock.spec.shapes import table_shape


def parse_spec(
    data: bytes,
    *,
    source: str,
    read_file: Callable[[str], bytes],
    files: LocalFiles | None = None,
) -> Spec:
    """Parse a spec. ``source`` is its path, for messages and for the image's default name.

    ``read_file`` returns the bytes of a file by its path relative to the spec's folder and raises
    OSError where there is none; requirements and key files are read through it. ``files`` tells
    what else is in that folder; without it a spec that names any paths to packages is refused.
    Raise SpecError with every problem, in file order.
    """
    text = decode_text(data, source=source)
    document = parse_document(text, source=source)
    if not document:
        raise SpecError((_empty(source),))
    requirements = RequirementsReader(read_file, folder=posixpath.dirname(source))
    reader = Reader(requirements.read)
    default = {} if "name" in document else {"name": _default_name(source)}
    spec = reader.read_table(table_shape(Spec), document, (), **default)
    if reader.findings:
        raise SpecError(place_findings(reader.findings, text, source))
    assert isinstance(spec, Spec), "no findings, so there is a spec"
    pip, problems = with_options(spec.pip, requirements.options, document.get("pip", {}))
    apt, findings = with_keys(spec.apt, read_file)
    problems += place_findings(findings, text, source)
    if problems:
        raise SpecError(problems)
    pip = with_local_content(pip, files=files, read_file=read_file, source=source)
    conda = with_local_channels(spec.conda, files=files, source=source)
    return replace(spec, pip=pip, apt=apt, conda=conda)


def spec_of_document(
    document: Mapping[str, Any],
    *,
    source: str,
    read_file: Callable[[str], bytes] | None = None,
    files: LocalFiles | None = None,
) -> Spec:
    """A spec from TOML data that no file holds; ``source`` says where it comes from.

    ``read_file`` and ``files`` are as for :func:`parse_spec`. Without ``read_file`` requirements
    files are named and not read: the spec is normalised, but cannot be locked. Raise SpecError
    with every problem; places are key paths.
    """
    requirements = RequirementsReader(read_file) if read_file else None
    reader = Reader(requirements.read if requirements else _named_alone)
    spec = reader.read_table(table_shape(Spec), document, ())
    if reader.findings:
        raise SpecError(_by_key_path(reader.findings, source))
    assert isinstance(spec, Spec), "no findings, so there is a spec"
    if read_file is None or requirements is None:
        return spec
    pip, problems = with_options(spec.pip, requirements.options, document.get("pip", {}))
    apt, findings = with_keys(spec.apt, read_file)
    problems += _by_key_path(findings, source)
    if problems:
        raise SpecError(problems)
    pip = with_local_content(pip, files=files, read_file=read_file, source=source)
    return replace(spec, pip=pip, apt=apt)


def _by_key_path(findings: list[Finding], source: str) -> tuple[Problem, ...]:
    """The problems of data that has no lines."""
    return tuple(
        problem
        for finding in findings
        for problem in finding.inner
        or (
            Problem(
                source=source, line=0, column=0, path=key_path_text(finding.path),
                message=finding.message, hint=finding.hint,
            ),
        )
    )  # fmt: skip


def _named_alone(path: str, choosing: Choosing) -> RequirementsFile:
    return RequirementsFile(
        path=str(RELATIVE_PATH.apply(path)), extras=choosing.extras, groups=choosing.groups
    )


def _default_name(source: str) -> object:
    name = PurePath(source).stem
    try:
        return IMAGE_NAME.apply(name)
    except RuleBroken as error:
        problem = Problem(
            source=source, line=1, column=1, path="name",
            message=f"expected a name, since the file's is none: {error.message}",
            hint='add name = "…"',
        )  # fmt: skip
        raise SpecError((problem,)) from None


def _empty(source: str) -> Problem:
    return Problem(
        source=source, line=1, column=1, path="",
        message="expected a spec, got a file without any key",
        hint="begin with `imagelock init`",
    )  # fmt: skip
