"""The links of an HTML index page (PEP 503) or of a find-links page."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urljoin

Anchor = tuple[str, str, dict[str, str]]


class _Anchors(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.base = url
        self.found: list[Anchor] = []
        self._url = url

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        href = attributes.get("href")
        if tag == "base" and href and self.base == self._url:
            self.base = urljoin(self._url, href)
        elif tag == "a" and href:
            self.found.append((self.base, href, attributes))


def anchors(text: str, url: str) -> list[Anchor]:
    """Every link: the URL it is relative to, its href, and all its attributes."""
    parser = _Anchors(url)
    parser.feed(text)
    parser.close()
    return parser.found
