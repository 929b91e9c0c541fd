"""What the HTTP client asks of credentials, and how it sends them."""

from __future__ import annotations

import base64
from typing import Protocol


class Credentials(Protocol):
    """Gives the Authorization header for a URL, or None; called from any thread."""

    def known(self, url: str) -> str | None:
        """Credentials to send at once."""
        ...

    def refused(self, url: str) -> str | None:
        """Credentials to try after a 401: what is slow to ask for."""
        ...

    def located(self, url: str) -> str:
        """The URL to ask instead, where credentials are a part of its path."""
        ...


class NoCredentials:
    """Know no credentials."""

    def known(self, url: str) -> str | None:  # noqa: ARG002
        """Know none."""
        return None

    def refused(self, url: str) -> str | None:  # noqa: ARG002
        """Know none."""
        return None

    def located(self, url: str) -> str:
        """The same."""
        return url


def basic_authorization(user: str, password: str) -> str:
    """The Authorization header of HTTP basic authentication (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def user_and_password(user_info: str) -> tuple[str, str]:
    """The two of a URL's ``user:password@``, still quoted."""
    user, _, password = user_info.partition(":")
    return user, password
