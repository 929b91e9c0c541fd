"""The prefix of the build machine in a file, replaced by the image's.

The rule is conda-build's ("Making packages relocatable"). In text every occurrence is replaced. A
binary file keeps its size: what follows the prefix up to the end of its C string moves up, and
NULs fill the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from imagelock.layers.untar import broken


def replaced_text(content: bytes, placeholder: bytes, prefix: bytes) -> bytes:
    """The text with the image's prefix."""
    return content.replace(placeholder, prefix)


def replaced_binary(
    chunks: Iterable[bytes], placeholder: bytes, prefix: bytes, *, where: str
) -> Iterator[bytes]:
    """The same number of bytes with the image's prefix, as a stream.

    In memory are one chunk and the C string that a prefix is in. IntegrityError when the image's
    prefix is the longer one: the string would not fit.
    """
    if len(prefix) > len(placeholder):
        raise broken(
            f"the prefix {prefix.decode()!r} is longer than the package's, which is "
            f"{len(placeholder)} bytes",
            where,
        )
    waiting = bytearray()
    searched = 0  # no NUL is before it: a long string is not searched anew with every chunk
    for chunk in chunks:
        waiting += chunk
        done = 0
        while (start := waiting.find(placeholder, done)) >= 0:
            end = waiting.find(0, max(start, searched))
            searched = 0
            if end < 0:
                searched = len(waiting) - start
                break
            yield bytes(waiting[done:start])
            yield _moved_up(bytes(waiting[start:end]), placeholder, prefix)
            done = end
        # A prefix may begin in this chunk and end in the next.
        keep = start if start >= 0 else max(done, len(waiting) - len(placeholder) + 1)
        yield bytes(waiting[done:keep])
        del waiting[:keep]
    if waiting.find(placeholder) == 0:
        yield _moved_up(bytes(waiting), placeholder, prefix)
    else:
        yield bytes(waiting)


def _moved_up(string: bytes, placeholder: bytes, prefix: bytes) -> bytes:
    return string.replace(placeholder, prefix).ljust(len(string), b"\0")
