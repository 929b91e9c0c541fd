"""Licences as packages declare them, as SPDX expressions; None for what says none beyond doubt.

Three places: a wheel's METADATA (PEP 639, core metadata), machine-readable copyright files of
Debian (copyright-format 1.0), the index of a conda channel as the lock holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from imagelock.model.lock import CondaPin
from imagelock.model.names import Sha256

Licenses = Mapping[Sha256, str]
"""An SPDX expression by the sha256 of the artifact that declares it."""

NO_LICENSES: Final[Licenses] = MappingProxyType({})

_REFERENCE: Final = "LicenseRef-"
_LONGEST: Final = 2000
"""Characters of an expression; what is longer is a licence's text."""

_FORMAT: Final = re.compile(r"https?://[^\s]*/copyright-format/1\.0/?")
_GNU: Final = re.compile(r"(A?GPL|LGPL)-(\d)(\.\d)?(\+?)")
_NO_SPDX_MEANING: Final = frozenset({"artistic", "mit"})
"""Debian's names for what may be one of several texts."""

_CLASSIFIERS: Final = {
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "CeCILL-B Free Software License Agreement (CECILL-B)": "CECILL-B",
    "CeCILL-C Free Software License Agreement (CECILL-C)": "CECILL-C",
    "OSI Approved :: Blue Oak Model License (BlueOak-1.0.0)": "BlueOak-1.0.0",
    "OSI Approved :: Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "OSI Approved :: Common Development and Distribution License 1.0 (CDDL-1.0)": "CDDL-1.0",
    "OSI Approved :: Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
    "OSI Approved :: Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "OSI Approved :: Educational Community License, Version 2.0 (ECL-2.0)": "ECL-2.0",
    "OSI Approved :: European Union Public Licence 1.1 (EUPL 1.1)": "EUPL-1.1",
    "OSI Approved :: European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "OSI Approved :: GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "OSI Approved :: GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "OSI Approved :: GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "OSI Approved :: GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "OSI Approved :: GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "OSI Approved :: Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "OSI Approved :: ISC License (ISCL)": "ISC",
    "OSI Approved :: MIT License": "MIT",
    "OSI Approved :: MIT No Attribution License (MIT-0)": "MIT-0",
    "OSI Approved :: MirOS License (MirOS)": "MirOS",
    "OSI Approved :: Mozilla Public License 1.0 (MPL)": "MPL-1.0",
    "OSI Approved :: Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "OSI Approved :: Mulan Permissive Software License v2 (MulanPSL-2.0)": "MulanPSL-2.0",
    "OSI Approved :: NASA Open Source Agreement v1.3 (NASA-1.3)": "NASA-1.3",
    "OSI Approved :: Open Software License 3.0 (OSL-3.0)": "OSL-3.0",
    "OSI Approved :: PostgreSQL License": "PostgreSQL",
    "OSI Approved :: Python License (CNRI Python License)": "CNRI-Python",
    "OSI Approved :: SIL Open Font License 1.1 (OFL-1.1)": "OFL-1.1",
    "OSI Approved :: The Unlicense (Unlicense)": "Unlicense",
    "OSI Approved :: Universal Permissive License (UPL)": "UPL-1.0",
    "OSI Approved :: University of Illinois/NCSA Open Source License": "NCSA",
    "OSI Approved :: Zero-Clause BSD (0BSD)": "0BSD",
}
"""PyPI's classifiers below ``License ::`` that name one licence, with its version."""

_GENERAL: Final = frozenset({"OSI Approved"})
"""What says that there is a licence, and not which."""


def spdx_expression(text: str | None) -> str | None:
    """The text in SPDX's spelling; None for what is no expression of licences on SPDX's list."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if text is None or len(text) > _LONGEST:
        return None
    try:
        found = str(canonicalize_license_expression(text.strip()))
    except InvalidLicenseExpression:
        return None
    return None if _REFERENCE in found else found


def license_of_conda(pin: CondaPin) -> str | None:
    """What the channel says, which the lock holds."""
    return spdx_expression(pin.license)


def license_of_metadata(
    expression: str | None, text: str | None, classifiers: Iterable[str]
) -> str | None:
    """Of ``License-Expression``; without it of ``License`` where that is an expression.

    Else of the classifiers, where all that name a licence name the same.
    """
    if expression is not None:
        return spdx_expression(expression)
    if found := spdx_expression(text):
        return found
    named = {_below_license(line) for line in classifiers if line.startswith("License ::")}
    meant = {_CLASSIFIERS.get(name) for name in named - _GENERAL}
    return meant.pop() if len(meant) == 1 else None


def _below_license(classifier: str) -> str:
    return classifier.removeprefix("License ::").strip()


def license_of_copyright(names: Iterable[str]) -> str | None:
    """Of the short names of a copyright file: all of them hold, where each is known."""
    found = {_of_debian(name) for name in names}
    known = sorted(name for name in found if name is not None)
    return " AND ".join(known) if known and len(known) == len(found) else None


def copyright_names(text: str) -> tuple[str, ...]:
    """The licence of each ``Files`` paragraph, sorted and each once.

    Empty for a file that is not machine-readable, and where a paragraph names none.
    """
    header, *paragraphs = [*_paragraphs(text)] or [{}]
    if not _FORMAT.fullmatch(header.get("format", "")):
        return ()
    found = {paragraph.get("license", "") for paragraph in paragraphs if "files" in paragraph}
    return () if "" in found else tuple(sorted(found))


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a file in deb822 form: the first line of each field, by name."""
    fields: dict[str, str] = {}
    for line in [*text.splitlines(), ""]:
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif line[0] not in " \t#":
            name, _, value = line.partition(":")
            fields.setdefault(name.strip().lower(), value.strip())


def _of_debian(name: str) -> str | None:
    """A short name of Debian's (copyright-format 1.0, 7.1) as SPDX has it."""
    if gnu := _GNU.fullmatch(name):
        version = f"{gnu[2]}{gnu[3] or '.0'}"
        return spdx_expression(f"{gnu[1]}-{version}-{'or-later' if gnu[4] else 'only'}")
    if name.lower() == "expat":
        return "MIT"
    if " " in name or name.lower() in _NO_SPDX_MEANING:
        return None
    return spdx_expression(name)
