"""The key files of ``[[apt.source]]``: read with the spec, so that it says who is trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from imagelock.model.openpgp import key_fingerprints
from imagelock.model.spec import AptSource, AptSpec
from imagelock.spec.findings import Finding
from imagelock.spec.rule import RuleBroken
from imagelock.spec.rules_apt import is_fingerprint


def with_keys(apt: AptSpec, read_file: Callable[[str], bytes]) -> tuple[AptSpec, list[Finding]]:
    """The same table with the fingerprints of its key files, and what is wrong with those."""
    sources, findings = [], []
    for number, source in enumerate(apt.sources):
        try:
            sources.append(replace(source, keys=_keys(source, read_file)))
        except RuleBroken as error:
            path = ("apt", "source", number, "signed-by")
            findings.append(Finding(path=path, message=error.message, hint=error.hint))
    return replace(apt, sources=tuple(sources)), findings


def _keys(source: AptSource, read_file: Callable[[str], bytes]) -> tuple[str, ...]:
    name = source.signed_by
    if name is None or is_fingerprint(name):
        return ()
    try:
        found = key_fingerprints(read_file(name))
    except OSError as error:
        msg = f"the key file '{name}' cannot be read: {error.strerror or error}"
        raise RuleBroken(msg, hint="the path is relative to the spec") from None
    except ValueError:
        found = ()
    if not found:
        raise RuleBroken(
            f"expected OpenPGP public keys in '{name}', found none",
            hint="give the public keys of the archive, armored (.asc) or binary (.gpg, .pgp)",
        )
    return found
