"""Every spec that parses can be locked, and is fresh for the lock that holds it."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imagelock.lock import canonical_bytes, decode_lock, encode_lock, stale_sections, staleness
from imagelock.lock.normal import normalise_spec
from imagelock.lock.stale import ALL_RESOLVED, Section
from imagelock.model.lock import Lock
from imagelock.model.spec import Spec
from support.spec_documents import FILES, Scribe, documents
from support.specs import spec_of


def parsed(document: dict[str, Any], random: Random) -> Spec:
    return spec_of(Scribe(random).write(document), FILES)


@given(documents(), st.randoms(use_true_random=False))
def test_any_spec_can_be_locked(document: dict[str, Any], random: Random) -> None:
    spec = parsed(document, random)
    assert normalise_spec(spec) == spec
    lock = decode_lock(encode_lock(Lock(roots=spec)), source="train.lock")
    assert lock.roots == spec
    reasons = [reason for reason in staleness(lock, spec) if reason.change.old != "no pin"]
    assert reasons == []


@given(documents(), st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_another_way_to_write_it_is_the_same_lock(
    document: dict[str, Any], one: Random, two: Random
) -> None:
    first, second = parsed(document, one), parsed(document, two)
    assert encode_lock(Lock(roots=first)) == encode_lock(Lock(roots=second))
    assert canonical_bytes(Lock(roots=first)) == canonical_bytes(Lock(roots=second))


def test_comments_and_line_ends_of_requirements_are_no_reason() -> None:
    text = '[base]\nimage = "debian:12"\n[pip]\nrequirements = ["r.txt"]\n'
    plain = spec_of(text, {"r.txt": "numpy>=2\nsix\n"})
    busy = spec_of(text.replace("\n", "\r\n"), {"r.txt": "# why\r\nSix\r\n\r\nnumpy >= 2  # b\r\n"})
    changes = [reason for reason in staleness(Lock(roots=plain), busy) if reason.in_tag]
    assert [str(reason) for reason in changes] == ["base: no pin → linux/amd64"]
    assert stale_sections(Lock(roots=plain), busy) == ALL_RESOLVED | {Section.ROOTS}
