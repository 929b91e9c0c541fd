"""dpkg's path filters: the C library's own fnmatch, and the rules of the manual page."""

from __future__ import annotations

import ctypes
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagelock.layers.dpkg_filter import _glob, read_filter

DOCKER = """\
# This is what Debian's slim images have.
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
--path-exclude "/usr/share/locale/*"
path-include=/usr/share/locale/locale.alias
pathexclude /bin/*
"""
SLIM = read_filter({"etc/dpkg/dpkg.cfg.d/docker": DOCKER})


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("/usr/bin/a", False),
        ("/usr/share/doc", False),
        ("/usr/share/doc/a/README", True),
        ("/usr/share/doc/a/copyright", False),
        ("/usr/share/doc/a/b/copyright", False),
        ("/usr/share/man/man1/a.1", True),
        ("/usr/share/locale/de/x.mo", True),
        ("/usr/share/locale/locale.alias", False),
        ("/bin/a", False),
    ],
)
def test_what_is_left_out(path: str, out: bool) -> None:  # noqa: FBT001
    assert SLIM.leaves_out(path) is out


def test_a_folder_stays_where_something_may_be_included_below_it() -> None:
    assert not SLIM.leaves_out("/usr/share/doc/a", is_folder_or_link=True)
    assert not SLIM.leaves_out("/usr/share/doc/a/examples", is_folder_or_link=True)
    assert SLIM.leaves_out("/usr/share/man/man1", is_folder_or_link=True)


def test_the_last_rule_decides_and_files_are_read_in_dpkg_s_order() -> None:
    exclude, include = "path-exclude /a/*\n", "path-include /a/*\n"
    files = {"etc/dpkg/dpkg.cfg.d/a": exclude, "etc/dpkg/dpkg.cfg.d/b": include}
    assert not read_filter(files).leaves_out("/a/x")
    assert read_filter({**files, "etc/dpkg/dpkg.cfg": exclude}).leaves_out("/a/x")
    turned = {"etc/dpkg/dpkg.cfg.d/a": include, "etc/dpkg/dpkg.cfg.d/b": exclude}
    assert read_filter(turned).leaves_out("/a/x")
    # Names with a dot are no configuration (dpkg.cfg(5)).
    assert not read_filter({"etc/dpkg/dpkg.cfg.d/a.dpkg-new": exclude}).leaves_out("/a/x")


LIBC = ctypes.CDLL(None)


@given(
    st.text(st.sampled_from("/ab.*?[]!^-\\"), max_size=8),
    st.text(st.sampled_from("/ab.*?[]!^-"), max_size=6),
)
def test_globs_are_those_of_the_c_library(pattern: str, path: str) -> None:
    try:
        ours = re.compile(_glob(pattern), re.DOTALL).fullmatch(path) is not None
    except re.error:  # a range that is turned round; nothing says what it means
        return
    if "[" in pattern and re.search(r"\[[^\]]*[\\\[]|\[[!^]?\][^\]]*$|\[[!^]?\]?[^\]]*-", pattern):
        return  # quoting inside of brackets, and what is not closed, is nobody's path
    theirs = LIBC.fnmatch(pattern.encode(), path.encode(), 0) == 0
    assert ours == theirs
