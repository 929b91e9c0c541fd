"""``exclude-newer``: a date, a time, or a span before now."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from imagelock.model.errors import UsageError

_UNITS: Final = {"hour": 1, "day": 24, "week": 24 * 7}
_SPAN: Final = re.compile(r"(\d+)\s*(hour|day|week)s?\Z")
_ISO_SPAN: Final = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(\d+)H)?\Z")


def cutoff(text: str, *, now: datetime, where: str = "pip.exclude-newer") -> datetime:
    """The UTC time after which uploads do not exist.

    A date includes its whole day in UTC (``2026-11-01`` is midnight that ends it); a span like
    ``7 days``, ``2 weeks``, ``36 hours`` or ``P7D`` counts back from ``now``. UsageError else.
    """
    value = text.strip()
    span = _SPAN.match(value.lower())
    if span:
        return now - timedelta(hours=int(span[1]) * _UNITS[span[2]])
    iso = _ISO_SPAN.match(value)
    if iso and any(iso.groups()):
        weeks, days, hours = (int(part or 0) for part in iso.groups())
        return now - timedelta(weeks=weeks, days=days, hours=hours)
    try:
        if "T" not in value and " " not in value and ":" not in value:
            day = date.fromisoformat(value)
            return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        time = datetime.fromisoformat(value)
    except ValueError:
        raise UsageError(
            f"expected a date, a time or a span, got '{text}'",
            where=where,
            hint='write "2026-11-01", "2026-11-01T12:00:00Z" or "7 days"',
        ) from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
