"""Rules for conda: match specifications and channels."""

from __future__ import annotations

import posixpath
import re
from typing import Final
from urllib.parse import quote

from imagelock.model.conda import (
    CHANNEL_HOST,
    InvalidMatchSpec,
    channel_url,
    normal_channel,
    parse_match_spec,
)
from imagelock.model.spec import CondaSpec
from imagelock.spec.findings import quoted
from imagelock.spec.rule import Rule, RuleBroken
from imagelock.spec.rules_place import URL, URL_PATTERN

_TOKEN: Final = re.compile(r"/t/[^/]+(?:/|\Z)")
_CHANNEL: Final = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_.-]+)*"
_FOLDER: Final = r"\.{1,2}/[^\u0000-\u001f\u007f\\]*"
_CREDENTIALS_HINT: Final = (
    "put them in ~/.netrc or the keyring, or map the URL in IMAGELOCK_MIRRORS"
)


def _match_spec(text: str) -> str:
    if "::" in text and (_TOKEN.search(text) or "@" in text.partition("::")[0]):
        msg = "expected a match spec without credentials: a lock is no place for secrets"
        raise RuleBroken(msg, hint=_CREDENTIALS_HINT)
    try:
        spec = parse_match_spec(text)
    except InvalidMatchSpec as error:
        msg = f"expected a match spec like 'numpy >=2', got {quoted(text)}: {error}"
        raise RuleBroken(msg, hint=error.hint) from None
    if spec.name.startswith("__"):
        msg = f"expected a package, got {quoted(spec.name)}, which tells what the image runs on"
        raise RuleBroken(msg, hint="__glibc follows from the base, __cuda from [gpu]")
    return str(spec)


MATCH_SPEC: Final = Rule(
    expected="a match spec like 'numpy >=2'", pattern=r"[^\u0000-\u001f]+", normalise=_match_spec
)


def _channel(text: str) -> str:
    if _TOKEN.search(text):  # not shown: it is a secret
        msg = "expected a channel without a token: a lock is no place for secrets"
        raise RuleBroken(msg, hint=_CREDENTIALS_HINT)
    if text == "defaults":
        msg = "expected one channel, got 'defaults', which stands for several"
        raise RuleBroken(msg, hint="name each, like 'https://repo.anaconda.com/pkgs/main'")
    if text.startswith("file:/"):
        if not re.match("file:(//)?/[^/]", text):
            raise RuleBroken(f"expected a folder like 'file:///srv/channel', got {quoted(text)}")
        return "file://" + _normal_path(text.removeprefix("file:"))
    if text.startswith("/"):
        return "file://" + quote(_normal_path(text), safe="/")
    if "://" in text:
        text = str(URL.apply(text))
        if text == CHANNEL_HOST:
            raise RuleBroken(f"expected a channel of {text}, got the host alone")
    return normal_channel(text)


def _normal_path(text: str) -> str:
    return posixpath.normpath(f"/{text.lstrip('/')}").rstrip("/") + "/"


def _channel_hint(text: str) -> str:
    return "environment variables are not expanded" if "${" in text else ""


# an absolute folder is file:///… until :mod:`imagelock.spec.local` knows the spec's folder
CHANNEL: Final = Rule(
    expected="a conda channel's name, an http or https URL, or a folder like './channel'",
    pattern=rf"{_CHANNEL}|{URL_PATTERN}|{_FOLDER}|(file:)?/[^\u0000-\u001f\u007f\\]*",
    normalise=_channel,
    hint=_channel_hint,
)


def check_channels(spec: CondaSpec) -> None:
    """Raise RuleBroken unless every package's channel is one of the table's."""
    if spec.packages and not spec.channels:
        raise RuleBroken("expected at least one channel for the packages", key="channels")
    known = {channel_url(channel) for channel in spec.channels}
    for text in spec.packages:
        channel = parse_match_spec(text).channel
        if channel and channel_url(channel) not in known:
            msg = f"expected a channel of this table, got {quoted(channel)} in {quoted(text)}"
            raise RuleBroken(msg, key="packages", hint=f"add '{channel}' to conda.channels")
