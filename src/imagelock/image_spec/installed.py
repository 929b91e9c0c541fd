"""What is installed in this environment, as pins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions

from imagelock.image_spec.checks import FieldError
from imagelock.model.names import pip_name

_NOT_PACKAGES = frozenset({"pip", "setuptools", "wheel"})
"""Tools of environments: pinned when they are named, or needed by what is."""


def installed_pins(names: Sequence[str] | None) -> list[str]:
    """``name==version`` for the named packages and all they require here; None: for everything.

    Sorted. FieldError for one that is not installed, or is not from an index.
    """
    found: dict[str, Distribution] = {}
    if names is None:
        everything = ((pip_name(one.name), one) for one in distributions() if one.name)
        found = {name: one for name, one in everything if name not in _NOT_PACKAGES}
        found = {name: one for name, one in found.items() if not _is_local(one)}
    else:
        waiting = [(name, frozenset[str]()) for name in names]
        seen = set()
        while waiting:
            name, extras = waiting.pop()
            if (pip_name(name), extras) in seen:
                continue
            seen.add((pip_name(name), extras))
            one = _installed(name)
            found[pip_name(name)] = one
            waiting += _required(one, extras)
    return sorted(f"{name}=={one.version}" for name, one in found.items())


def _installed(name: str) -> Distribution:
    try:
        one = distribution(name)
    except PackageNotFoundError:
        raise FieldError(
            f"'{name}' is not installed here", where="ImageSpec: pinned_packages"
        ) from None
    if _is_local(one):
        raise FieldError(
            f"'{name}' is installed from a folder or a URL: no index has it",
            where="ImageSpec: pinned_packages",
            hint="copy it with source_root, or put a wheel of it on an index",
        )
    return one


def _is_local(one: Distribution) -> bool:
    """Whether it came otherwise than from an index (PEP 610)."""
    return one.read_text("direct_url.json") is not None


def _required(one: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    from packaging.requirements import Requirement

    for text in one.requires or ():
        requirement = Requirement(text)
        contexts = [{"extra": extra} for extra in extras] or [{"extra": ""}]
        if requirement.marker and not any(map(requirement.marker.evaluate, contexts)):
            continue
        try:
            distribution(requirement.name)
        except PackageNotFoundError:
            continue  # the environment runs without it
        yield requirement.name, frozenset(requirement.extras)
