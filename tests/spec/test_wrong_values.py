# ruff: noqa: E501, Q000 (messages stand here as people see them)
"""Every kind of wrong value, with its exact place."""

from __future__ import annotations

import pytest
from inline_snapshot import snapshot

from support.specs import BASE, problems_of


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("name = ''", snapshot("""\
train.toml:1:8: name: expected letters and digits, with '.', '_' or '-' between them, got ''
  hint: it becomes a repository name in a registry (OCI distribution-spec)\
""")),
        ("name = 'a/b'", snapshot("""\
train.toml:1:8: name: expected letters and digits, with '.', '_' or '-' between them, got 'a/b'
  hint: it becomes a repository name in a registry (OCI distribution-spec)\
""")),
        (f"name = '{'a' * 129}'", snapshot('train.toml:1:8: name: expected at most 128 characters, got 129')),
        ("python = 3.12", snapshot("""\
train.toml:1:10: python: expected a string, got a float
  hint: put it in quotes\
""")),
        ("python = '3.12.*'", snapshot("train.toml:1:10: python: expected a version like '3.12' or a specifier like '>=3.11,<3.13', got '3.12.*'")),
        ("python = 'newest'", snapshot("train.toml:1:10: python: expected a version like '3.12' or a specifier like '>=3.11,<3.13', got 'newest'")),
        ("python = true", snapshot("""\
train.toml:1:10: python: expected a string, got a boolean
  hint: put it in quotes\
""")),
        ("platforms = 'linux/amd64'", snapshot("""\
train.toml:1:13: platforms: expected an array, got a string
  hint: put it in brackets: […]\
""")),
        ("platforms = []", snapshot('train.toml:1:13: platforms: expected at least one, got an empty array')),
        ("platforms = ['linux/amd65']", snapshot("""\
train.toml:1:14: platforms[0]: expected one of linux/386, linux/amd64, linux/arm/v7, linux/arm64, linux/ppc64le, linux/riscv64, linux/s390x, got 'linux/amd65'
  hint: write it like 'linux/amd64'\
""")),
        ("platforms = ['windows']", snapshot("""\
train.toml:1:14: platforms[0]: expected a platform, got 'windows'
  hint: write it like 'linux/amd64'\
""")),
        ("registry = 'https://ghcr.io/x'", snapshot("""\
train.toml:1:12: registry: expected a registry as host[:port][/path], got 'https://ghcr.io/x'
  hint: write it like 'registry.example/acme', without 'https://'\
""")),
        ("registry = 'https://me:hunter2@ghcr.io/x'", snapshot("""\
train.toml:1:12: registry: expected a registry as host[:port][/path], got 'https://…@ghcr.io/x'
  hint: write it like 'registry.example/acme', without 'https://'\
""")),
        ("registry = 'ghcr.io/../x'", snapshot("train.toml:1:12: registry: expected a path of repository names after 'ghcr.io', got '../x'")),
        ("tag-format = '{hash}'", snapshot("train.toml:1:14: tag-format: expected {lock}, {source}, {name} or {spec_hash}, got '{hash}'")),
        ("tag-format = '.{lock}'", snapshot("""\
train.toml:1:14: tag-format: expected a format that gives a tag, got '.{lock}'
  hint: a tag has at most 128 letters, digits, '_', '.' and '-', and begins with neither '.' nor '-'\
""")),
        ("tag-format = '{lock'", snapshot("""\
train.toml:1:14: tag-format: expected a format that gives a tag, got '{lock'
  hint: a tag has at most 128 letters, digits, '_', '.' and '-', and begins with neither '.' nor '-'\
""")),
        ("tag-format = '{lock}{lock}{lock}{lock}{lock}'", snapshot("""\
train.toml:1:14: tag-format: expected a format that gives a tag, got '{lock}{lock}{lock}{lock}{lock}'
  hint: a tag has at most 128 letters, digits, '_', '.' and '-', and begins with neither '.' nor '-'\
""")),
        ("tag-format = '{lock} x'", snapshot("train.toml:1:14: tag-format: expected a tag with {lock}, {source} or {name} in it, got '{lock} x'")),
        ("pip = 1", snapshot('train.toml:1:7: pip: expected a table, got an integer')),
        ("pip.packages = 'numpy'", snapshot("""\
train.toml:1:16: pip.packages: expected an array, got a string
  hint: put it in brackets: […]\
""")),
        ("pip.packages = ['numpy=2']", snapshot("""\
train.toml:1:17: pip.packages[0]: expected a requirement like 'numpy>=2', got 'numpy=2': expected semicolon (after name with no version specifier) or end
  hint: a version is pinned with '==', as in 'numpy==2.1'\
""")),
        ("pip.packages = ['-r x.txt']", snapshot("""\
train.toml:1:17: pip.packages[0]: expected a requirement like 'numpy>=2', got '-r x.txt': expected package name at the start of dependency specifier
  hint: options belong in a requirements file, listed under pip.requirements\
""")),
        ("pip.packages = ['x @ https://me:hunter2@h/x.whl']", snapshot("""\
train.toml:1:17: pip.packages[0]: expected a URL without credentials: a lock is no place for secrets
  hint: put them in ~/.netrc or the keyring; only the fetch reads them\
""")),
        ("pip.packages = ['']", snapshot("train.toml:1:17: pip.packages[0]: expected a requirement like 'numpy>=2', got '': expected package name at the start of dependency specifier")),
        ("pip.constraints = ['x[a]<2']", snapshot("""\
train.toml:1:20: pip.constraints[0]: expected a constraint without extras, got 'x[a]<2'
  hint: ask for the extras in pip.packages\
""")),
        ("pip.index = 'pipy'", snapshot("""\
train.toml:1:13: pip.index: expected a well-known index ('nvidia', 'pypi', 'pytorch'), got 'pipy'
  hint: did you mean 'pypi'?\
""")),
        ("pip.index = 'https://me:hunter2@h/simple'", snapshot("""\
train.toml:1:13: pip.index: expected a URL without credentials: a lock is no place for secrets
  hint: put them in ~/.netrc or the keyring; only the fetch reads them\
""")),
        ("pip.index = 'https://${TOKEN}@h/simple'", snapshot("""\
train.toml:1:13: pip.index: expected the name of a well-known index, an http or https URL, or a folder, got 'https://…@h/simple'
  hint: environment variables are not expanded: a spec means the same everywhere\
""")),
        ("pip.index = 'https://h/simple?token=x'", snapshot("train.toml:1:13: pip.index: expected a URL without '?' and '#': a lock is no place for secrets")),
        ("pip.index = 'https://h:99999/simple'", snapshot("train.toml:1:13: pip.index: expected a URL with a host, and a port if need be, got 'https://h:99999/simple'")),
        ("pip.index = 'ftp://h/simple'", snapshot("""\
train.toml:1:13: pip.index: expected the name of a well-known index, an http or https URL, or a folder, got 'ftp://h/simple'
  hint: write it with 'https://'\
""")),
        ("pip.prerelease = 'alow'", snapshot("""\
train.toml:1:18: pip.prerelease: expected one of 'if-necessary', 'allow', 'disallow', 'explicit', got 'alow'
  hint: did you mean 'allow'?\
""")),
        ("pip.exclude-newer = 2026-11-01", snapshot("""\
train.toml:1:21: pip.exclude-newer: expected a string, got a date
  hint: put it in quotes\
""")),
        ("pip.exclude-newer = '2026-11-31'", snapshot("train.toml:1:21: pip.exclude-newer: expected a date and time that exist, got '2026-11-31'")),
        ("pip.exclude-newer = '2026-11-01T00:00:00'", snapshot("""\
train.toml:1:21: pip.exclude-newer: expected a date, an RFC 3339 timestamp, or a span like '7 days', got '2026-11-01T00:00:00'
  hint: like '2026-11-01', '2026-11-01T12:00:00Z', '7 days' or '2 weeks'\
""")),
        ("pip.exclude-newer = '1 month'", snapshot("""\
train.toml:1:21: pip.exclude-newer: expected a date, an RFC 3339 timestamp, or a span like '7 days', got '1 month'
  hint: like '2026-11-01', '2026-11-01T12:00:00Z', '7 days' or '2 weeks'\
""")),
        ("apt.packages = ['Git']", snapshot("""\
train.toml:1:17: apt.packages[0]: expected a Debian package, got 'Git'
  hint: package names are lower-case\
""")),
        ("apt.packages = ['curl>=7']", snapshot("""\
train.toml:1:17: apt.packages[0]: expected a Debian package, got 'curl>=7'
  hint: apt takes one version as name=version, where * matches anything\
""")),
        ("apt.packages = ['libc6:arm46']", snapshot("""\
train.toml:1:17: apt.packages[0]: expected a Debian architecture, got 'arm46' in 'libc6:arm46'
  hint: known are amd64, arm64, armhf, i386, ppc64el, riscv64, s390x\
""")),
        ("apt.packages = ['x y']", snapshot("""\
train.toml:1:17: apt.packages[0]: expected a Debian package, got 'x y'
  hint: write name, name=version, name/suite, name:architecture, or name- to remove it\
""")),
        ("apt.packages = ['https://h/x.deb']", snapshot("""\
train.toml:1:17: apt.packages[0]: expected a Debian package, got 'https://h/x.deb'
  hint: packages come from a signed source; add one as [[apt.source]]\
""")),
        ("apt.recommends = 'true'", snapshot("""\
train.toml:1:18: apt.recommends: expected a boolean, got a string
  hint: write true, without quotes\
""")),
        ("apt.recommends = 1", snapshot('train.toml:1:18: apt.recommends: expected a boolean, got an integer')),
        ("apt.source = [{uris = 'http://u:hunter2@h/', suites = 's', components = 'm'}]", snapshot("""\
train.toml:1:23: apt.source[0].uris: expected a URL without credentials: a lock is no place for secrets
  hint: put them in ~/.netrc or the keyring; only the fetch reads them\
""")),
        ("apt.source = [{uris = 'http://h/', suites = '../s', components = 'm'}]", snapshot("train.toml:1:45: apt.source[0].suites: expected names without '..', got '../s'")),
        ("apt.source = [{uris = 'http://h/', suites = 's'}]", snapshot("""\
train.toml:1:15: apt.source[0]: expected components, got none
  hint: add components = "main"\
""")),
        ("apt.source = [{uris = 'http://h/', suites = 's/', components = 'm'}]", snapshot("train.toml:1:64: apt.source[0].components: expected none, since the suite 's/' is a path")),
        ("apt.source = [{uris = 'http://h/', suites = 's/', signed-by = '/k'}]", snapshot("""\
train.toml:1:63: apt.source[0].signed-by: expected a key file relative to the spec's folder, or a key's whole fingerprint, got '/k'
  hint: a lock holds for any machine, so it names no absolute path\
""")),
        ("apt.source = [{uris = 'http://h/', suites = 's/', snapshot = '20261301T000000Z'}]", snapshot("train.toml:1:62: apt.source[0].snapshot: expected a date and time that exist, got '20261301T000000Z'")),
        ("env = {1A = 'x'}", snapshot("""\
train.toml:1:8: env.1A: expected the name of an environment variable, got '1A'
  hint: letters, digits, '_', '.' and '-', not beginning with a digit\
""")),
        ("env = {A = 1}", snapshot("""\
train.toml:1:12: env.A: expected a string, got an integer
  hint: put it in quotes\
""")),
        ('env = {A = "\\u0000"}', snapshot("train.toml:1:12: env.A: expected text without NUL, got '\\x00'")),
        ("image.entrypoint = 'sh'", snapshot("""\
train.toml:1:20: image.entrypoint: expected an array, got a string
  hint: put it in brackets: […]\
""")),
        ("image.workdir = 'app'", snapshot("""\
train.toml:1:17: image.workdir: expected an absolute path, got 'app'
  hint: it is a path in the image, and begins with '/'\
""")),
        ("image.workdir = '/app/../etc'", snapshot("train.toml:1:17: image.workdir: expected an absolute path without '..', got '/app/../etc'")),
        ("image.user = 'a b'", snapshot("train.toml:1:14: image.user: expected a user as name or number, with ':group' if need be, got 'a b'")),
        ("copy = [{from = '/etc', to = '/x'}]", snapshot("""\
train.toml:1:17: copy[0].from: expected a path relative to the spec's folder, got '/etc'
  hint: a lock holds for any machine, so it names no absolute path\
""")),
        ("copy = [{from = 'a\\b', to = '/x'}]", snapshot("""\
train.toml:1:17: copy[0].from: expected a path relative to the spec's folder, got 'a\\b'
  hint: paths are written with '/', on every system\
""")),
        ("copy = [{from = 'a/../../b', to = '/x'}]", snapshot("""\
train.toml:1:17: copy[0].from: expected a path below the spec's folder, got 'a/../../b'
  hint: '..' leaves the folder that a build may read\
""")),
        ("copy = [{from = 'a', to = 'x'}]", snapshot("""\
train.toml:1:27: copy[0].to: expected an absolute path, got 'x'
  hint: it is a path in the image, and begins with '/'\
""")),
        ("copy = ['a']", snapshot('train.toml:1:9: copy[0]: expected a table, got a string')),
        ("source.mode = 'all'", snapshot("""\
train.toml:1:1: source: expected 'root', which is missing
  hint: add root = "src"\
""")),
        ("source = { root = 'src', entry = ['a.py'] }", snapshot("""\
train.toml:1:34: source.entry: expected none, since mode is 'all'
  hint: write mode = "loaded-modules"\
""")),
        ("builder.options = {level = 1}", snapshot("""\
train.toml:1:19: builder.options: the builder 'oci' has no option 'level'
  hint: known are compression\
""")),
        ("builder.options = {compression = 'xz'}", snapshot("train.toml:1:19: builder.options: expected compression to be one of 'gzip', 'zstd', 'none', got 'xz'")),
        ("builder.options = {compression = true}", snapshot("train.toml:1:19: builder.options: expected compression to be one of 'gzip', 'zstd', 'none', got True")),
        ("builder.options = {a = 1.5}", snapshot('train.toml:1:24: builder.options.a: expected one of a string, an integer, a boolean, got a float')),
    ],
)  # fmt: skip
def test_one_wrong_value(line: str, expected: str) -> None:
    said = problems_of(f"{line}\n{BASE}")
    assert "hunter2" not in said
    assert said == expected
