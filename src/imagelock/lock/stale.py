"""Does a lock still answer its spec: decided from the two alone, with reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from imagelock.lock.roots import NOT_IN_TAG
from imagelock.lock.roots_diff import ChangeKind, RootChange, changed_roots
from imagelock.model.lock import Lock
from imagelock.model.spec import Spec


class Section(StrEnum):
    """The parts of a lock that are resolved one by one; ROOTS needs no resolution."""

    ROOTS = "roots"
    BASE = "base"
    APT = "apt"
    CONDA = "conda"
    PYTHON = "python"
    PIP = "pip"


ALL_RESOLVED: Final = frozenset(Section) - {Section.ROOTS}

_FOLLOWERS: Final = {
    Section.ROOTS: frozenset[Section](),
    Section.BASE: ALL_RESOLVED,
    Section.APT: frozenset({Section.APT, Section.PYTHON, Section.PIP}),
    Section.CONDA: frozenset({Section.CONDA, Section.PYTHON, Section.PIP}),
    # where the interpreter comes from apt or conda, its version is theirs to find
    Section.PYTHON: ALL_RESOLVED - {Section.BASE},
    Section.PIP: frozenset({Section.PIP}),
}
"""What must be resolved again when a section's own roots changed, itself included."""

_SECTION_OF: Final = {
    "base": Section.BASE,
    "platforms": Section.BASE,
    "python": Section.PYTHON,
    "pip": Section.PIP,
    "apt": Section.APT,
    "conda": Section.CONDA,
    # CUDA libraries come from any of the three
    "gpu": Section.PYTHON,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleReason:
    """One reason why a section must be resolved, or the roots written, again.

    ``in_tag`` says whether the tag covers the root that changed.
    """

    section: Section
    change: RootChange
    in_tag: bool = True

    @property
    def path(self) -> str:
        """The spec's key, or the requirements file."""
        return self.change.path

    def __str__(self) -> str:
        return str(self.change)


def staleness(lock: Lock, spec: Spec) -> tuple[StaleReason, ...]:
    """Why a lock does not answer a spec, in the order of a spec's keys; empty when it does.

    Needs no network: the lock holds the roots as the spec gave them.
    """
    reasons = [
        StaleReason(
            section=_SECTION_OF.get(change.key, Section.ROOTS),
            change=change,
            in_tag=change.key not in NOT_IN_TAG,
        )
        for change in changed_roots(lock.roots, spec)
    ]
    return (*reasons, *_incomplete(lock, spec))


def directly_stale(lock: Lock, spec: Spec) -> frozenset[Section]:
    """The sections whose own roots changed, with ROOTS when any root did."""
    reasons = staleness(lock, spec)
    sections = {reason.section for reason in reasons}
    if lock.roots.needs_python != spec.needs_python:
        # the first pip package brings an interpreter with it, the last takes it away
        sections.add(Section.PYTHON)
    if spec.needs_python and lock.roots.has_conda != spec.has_conda:
        # the first conda package brings the interpreter, the last leaves it to the base or apt
        sections.add(Section.PYTHON)
    if any(reason.path == "pip.python-exec" for reason in reasons):
        sections.add(Section.PYTHON)
    return frozenset(sections | {Section.ROOTS}) if sections else frozenset()


def stale_sections(lock: Lock, spec: Spec) -> frozenset[Section]:
    """The sections to resolve again, with those that may follow from them.

    It is the safe answer. A use-case may leave out PIP when it is not in
    :func:`directly_stale` and the new base, conda and python pins equal the old.
    """
    found = directly_stale(lock, spec)
    followers = (_FOLLOWERS[section] for section in found)
    return found.union(*followers)


def _incomplete(lock: Lock, spec: Spec) -> Iterator[StaleReason]:
    """A platform that the lock has no base for: a lock cut short by hand or by a merge."""
    pinned = {platform for pin in lock.bases for platform in pin.platforms}
    for platform in lock.platforms:
        if platform not in pinned and platform in spec.platforms:
            yield StaleReason(
                section=Section.BASE,
                change=RootChange(
                    key="base",
                    path="base",
                    kind=ChangeKind.CHANGED,
                    old="no pin",
                    new=str(platform),
                ),
            )
