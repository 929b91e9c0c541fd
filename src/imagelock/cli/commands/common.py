"""What several commands read from their arguments in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time

from imagelock.app.context import Context, flag, host_context
from imagelock.cli.report import Report
from imagelock.model.errors import UsageError
from imagelock.model.platform import Platform

__all__ = ["flag", "make_context", "parse_moment", "parse_platforms"]


def make_context(report: Report, *, offline: bool) -> Context:
    """The outside, as the environment and the call describe it."""
    return host_context(offline=offline, progress=report)


def parse_platforms(texts: Sequence[str]) -> tuple[Platform, ...]:
    """The platforms of --platform options, sorted."""
    try:
        return tuple(sorted({Platform.parse(text) for text in texts}))
    except ValueError as error:
        raise UsageError(str(error), where="--platform") from None


def parse_moment(text: str | None) -> datetime | None:
    """A --as-of value: the end of a day, or an RFC 3339 time."""
    if text is None:
        return None
    try:
        if len(text) == len("2026-01-01"):
            return datetime.combine(date.fromisoformat(text), time(23, 59, 59), tzinfo=UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"expected a date like 2026-11-01 or 2026-11-01T12:00:00Z, got '{text}'",
            where="--as-of",
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
