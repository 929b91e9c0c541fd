"""Rules for requirements that say themselves where they are (PEP 508, ``name @ URL``).

One spelling of each kind, which the rest of imagelock relies on:

- ``https://host/path.whl#sha256=…``: a wheel or an sdist on a server;
- ``git+https://host/path@ref#subdirectory=folder``: a folder of a git repository;
- ``./path`` or ``../path``: a wheel, an sdist or a project's folder, relative to the spec's.

An absolute path is ``file:///path`` until :mod:`imagelock.spec.local` knows the spec's folder.
"""

from __future__ import annotations

import posixpath
import re
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from imagelock.model.archives import SDIST_ENDINGS, is_local, split_ref
from imagelock.model.names import pip_name, sha256
from imagelock.spec.findings import quoted
from imagelock.spec.rule import RuleBroken

NO_OTHER_VERSION_CONTROL: Final = "name a git repository, or put a wheel on an index or a server"
NO_CREDENTIALS: Final = "expected a URL without credentials: a lock is no place for secrets"
NETRC: Final = "put them in ~/.netrc or the keyring; only the fetch reads them"

_OTHER_VERSION_CONTROL: Final = re.compile(r"(hg|svn|bzr)(\+|:)")
_PLAIN: Final = re.compile(r"https?://[A-Za-z0-9._~:/\[\]!$&'()*+,;=%-]+")
_GIT_PLAIN: Final = re.compile(
    r"git\+(https?|ssh)://[A-Za-z0-9._~:\[\]@-]+/[A-Za-z0-9._~:/!$&'()*+,;=%-]+"
)
_REF: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]*")
_PATH_SAFE: Final = "/~+@!$&'()*,=-._"
_BARE: Final = re.compile(
    r"\s*(?P<url>(?:\.|/|file:|git\+|https?://)[^\s\[\];]*)(?:\[(?P<extras>[^\]]*)\])?"
    r"\s*(?:;\s*(?P<marker>.+?))?\s*"
)


def named_requirement(text: str) -> str | None:
    """``NAME @ URL`` for a requirement that is a path or a URL alone; None for any other text.

    The name is that of a wheel's file or of ``#egg=NAME``. A local folder does not tell it: the
    path stands first then, as in ``./project[extra] ; marker``.
    """
    match = _BARE.fullmatch(text)
    if match is None:
        return None
    url = match["url"]
    plain, _, fragment = url.partition("#")
    pairs = dict(item.partition("=")[::2] for item in fragment.split("&") if item)
    egg, _, egg_extras = unquote(pairs.pop("egg", "")).partition("[")
    extras = match["extras"] or egg_extras.rstrip("]")
    bracketed = f"[{extras}]" if extras else ""
    marker = f" ; {match['marker']}" if match["marker"] else ""
    rest = "&".join(f"{key}={value}" for key, value in pairs.items())
    url = f"{plain}#{rest}" if rest else plain
    name = egg or _name_in_file(plain)
    if name:
        return f"{name}{bracketed} @ {url}{marker}"
    if is_local(plain) or plain.startswith("file:"):
        return f"{normalise_direct(url)}{bracketed}{marker}"
    raise RuleBroken(
        f"expected 'NAME @ URL', got {_shown(url)}", hint="name the project before the URL"
    )


def _name_in_file(url: str) -> str:
    filename = unquote(url.rpartition("/")[2])
    return filename.partition("-")[0] if filename.endswith(".whl") else ""


def normalise_direct(url: str) -> str:
    """The URL of a requirement in its one spelling. RuleBroken, with the next step, for none."""
    if _OTHER_VERSION_CONTROL.match(url):
        msg = f"a requirement from this version control, {_shown(url)}, is not supported yet"
        raise RuleBroken(msg, hint=NO_OTHER_VERSION_CONTROL)
    if url.startswith("git+"):
        return _git(url)
    if url.startswith("file:") or is_local(url):
        return _local(url)
    return _remote(url)


def _remote(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # an IPv6 address that is none
        raise RuleBroken(f"expected a URL with a host, got {_shown(url)}") from None
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise RuleBroken(NO_CREDENTIALS, hint=NETRC)
    if parts.scheme not in {"http", "https"}:
        msg = f"expected the URL of a wheel, a git repository or a path, got {_shown(url)}"
        raise RuleBroken(msg, hint="write it like 'https://…', 'git+https://…' or './folder'")
    if not parts.path.endswith((".whl", *SDIST_ENDINGS)):
        msg = f"expected the URL of a wheel (.whl) or an sdist, got {_shown(url)}"
        raise RuleBroken(msg, hint="a git repository is written as 'git+https://…'")
    plain, _, fragment = url.partition("#")
    if "?" in plain:  # not shown: it may be a token
        raise RuleBroken("expected a URL without '?': a lock is no place for secrets")
    address = f"{parts.scheme}://{parts.netloc.lower()}{parts.path}"
    if not parts.netloc or not _PLAIN.fullmatch(address):
        raise RuleBroken(f"expected a URL with a host, and in ASCII, got {_shown(url)}")
    return f"{address}#sha256={_hash_of(fragment)}" if fragment else address


def _git(url: str) -> str:
    """``git+https://host/path[@ref][#subdirectory=folder]``."""
    plain, _, fragment = url.partition("#")
    folder = _subdirectory(fragment)
    if "?" in plain:
        raise RuleBroken("expected a URL without '?': a lock is no place for secrets")
    address = plain.removeprefix("git+")
    if address.startswith(("file:", ".", "/")):
        path, ref = split_ref(address)
        return _with_ref(f"git+{_local(path)}", ref, folder)
    scheme, _, rest = address.partition("://")
    host, _, path = rest.partition("/")
    user, at_user, place = host.rpartition("@")
    if ":" in user or (at_user and scheme != "ssh"):
        raise RuleBroken(NO_CREDENTIALS, hint=NETRC)
    path, ref = split_ref(path)
    made = f"git+{scheme.lower()}://{user}{at_user}{place.lower()}/{path.rstrip('/')}"
    if not _GIT_PLAIN.fullmatch(made):
        msg = f"expected 'git+https://HOST/PATH@REF', got {_shown(url)}"
        raise RuleBroken(msg, hint="a repository by ssh is 'git+ssh://git@HOST/PATH'")
    return _with_ref(made, ref, folder)


def _with_ref(url: str, ref: str, folder: str) -> str:
    if ref and (not _REF.fullmatch(ref) or ".." in ref):
        raise RuleBroken(f"expected a branch, a tag or a commit behind '@', got {quoted(ref)}")
    at = "@" if ref else ""
    return f"{url}{at}{ref}" + (f"#subdirectory={folder}" if folder else "")


def _subdirectory(fragment: str) -> str:
    pairs = dict(item.partition("=")[::2] for item in fragment.split("&") if item)
    pairs.pop("egg", None)
    folder = posixpath.normpath(unquote(pairs.pop("subdirectory", "."))).strip("/")
    if pairs:
        msg = f"expected nothing but 'subdirectory' behind '#', got {quoted(min(pairs))}"
        raise RuleBroken(msg)
    if folder == ".." or folder.startswith("../") or not folder.isprintable():
        raise RuleBroken(f"expected a folder of the repository, got {quoted(folder)}")
    return "" if folder == "." else quote(folder, safe=_PATH_SAFE)


def _local(url: str) -> str:
    """``./path``, ``../path`` or ``file:///path``, perhaps with ``#sha256=…``."""
    plain, _, fragment = url.partition("#")
    is_file_url = plain.startswith("file:")
    path = unquote(plain.removeprefix("file:") if is_file_url else plain)
    if path.startswith("//"):
        host, _, rest = path[2:].partition("/")
        if host not in {"", "localhost"}:
            raise RuleBroken(f"expected a path of this machine, got one of {quoted(host)}")
        path = f"/{rest}"
    if not path or "?" in plain or not path.isprintable() or "\\" in path:
        raise RuleBroken(f"expected a path like './project', got {_shown(url)}")
    reference = local_text(posixpath.normpath(path))
    return f"{reference}#sha256={_hash_of(fragment)}" if fragment else reference


def local_text(path: str) -> str:
    """A normal path as requirements spell it; absolute ones as ``file:///path``."""
    made = quote(path, safe=_PATH_SAFE)
    if made.startswith("/"):
        return f"file:///{made.lstrip('/')}"
    return made if made == ".." or made.startswith("../") else f"./{'' if made == '.' else made}"


def _hash_of(fragment: str) -> str:
    algorithm, _, digits = fragment.partition("=")
    if algorithm != "sha256":
        msg = f"expected nothing but '#sha256=…' behind the URL, got {quoted('#' + fragment)}"
        raise RuleBroken(msg)
    try:
        return sha256(digits)
    except ValueError as error:
        raise RuleBroken(str(error)) from None


def _shown(url: str) -> str:
    """A URL without what may be a secret."""
    plain = url.partition("?")[0].partition("#")[0]
    scheme, separator, rest = plain.partition("://")
    host, slash, path = rest.partition("/")
    return quoted(f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}")


def direct_name(text: str) -> str:
    """The normalised name before ``@`` of a requirement; empty for one that is a path alone."""
    name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", text)
    return pip_name(name[0].rstrip("._-")) if name else ""
