"""The uv that installs wheels inside engines: one release a recipe, by hash.

Raising it may change what uv writes beside a wheel's own files, so that is a new recipe's business.
"""

from __future__ import annotations

from typing import Final

from imagelock.model.archives import Artifact
from imagelock.model.errors import UsageError
from imagelock.model.names import Sha256
from imagelock.model.platform import Platform

_VERSION: Final = {1: "0.13.9"}

# Statically linked (musllinux) wheels where there are any: they run on every base.
_WHEELS: Final = {
    (1, "linux/386"): (
        (
            "packages/86/ca/d5e53883246d8b1e40cbb48234a79e85cc45a0faa95913db306bc0012731/"
            "uv-0.13.9-py3-none-musllinux_1_1_i686.whl"
        ),
        "a2ee66fe8b6608e1482ab1bde5799da04705c1cb40324c7f66054ecf46ae6e40",
        18038845,
    ),
    (1, "linux/amd64"): (
        (
            "packages/fe/fe/794884de0efd3ac77a427cab21aa72c0483e100c55a42cd5cbb02c141b84/"
            "uv-0.13.9-py3-none-musllinux_1_1_x86_64.whl"
        ),
        "2c45530751517d6c3bbc69a19473f6effe47cce047bede01ffd8af7ea7b36b25",
        19295638,
    ),
    (1, "linux/arm/v7"): (
        (
            "packages/23/c0/fc8cf5f3169501e3356d69c771168d8de45a823835099c75c987afb18a16/"
            "uv-0.13.9-py3-none-manylinux_2_17_armv7l.manylinux2014_armv7l.musllinux_1_1_armv7l.whl"
        ),
        "7ec1e1dd9b6cb335c301afdf877989df384227313981850755a59561f75e4ab8",
        17917014,
    ),
    (1, "linux/arm64"): (
        (
            "packages/57/15/94b6cd62ac3ff6550288328e8035288875197cbc183f51554b266a69877b/"
            "uv-0.13.9-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl"
        ),
        "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
        18026789,
    ),
    (1, "linux/ppc64le"): (
        (
            "packages/cb/25/96924e14d96384ba0052f83600b08719209a92dd677faa49d9c237a27722/"
            "uv-0.13.9-py3-none-manylinux_2_17_ppc64le.manylinux2014_ppc64le.whl"
        ),
        "c5dbdb7c8737cd183a9dce95b39cfd1f3d54ec2a27a1bb58f160293f9ba2c805",
        20059600,
    ),
    (1, "linux/riscv64"): (
        (
            "packages/ae/01/a21cd70ccda3156aea014b43a0885c122b3d25e642230c9f61fdf71096e0/"
            "uv-0.13.9-py3-none-manylinux_2_31_riscv64.musllinux_1_1_riscv64.whl"
        ),
        "6d5114bba238adddacb32fb11904f2b3ff4e988f8e9ff0d8d3b5e9822cf836b8",
        18085314,
    ),
    (1, "linux/s390x"): (
        (
            "packages/01/06/9c617c17b105570423765227a033c7ead19b7dcffe7baa56d7caf804a3f3/"
            "uv-0.13.9-py3-none-manylinux_2_17_s390x.manylinux2014_s390x.whl"
        ),
        "a6e845f387e4ed55bb59342957a9179e24a631fcc7668bda3426ae1cef8ed4b9",
        19708388,
    ),
}


def uv_wheel(recipe: int, platform: Platform) -> Artifact:
    """The wheel that holds uv for a platform, on PyPI. UsageError when a recipe has none."""
    try:
        path, sha256, size = _WHEELS[recipe, platform.text]
    except KeyError:
        raise UsageError(
            f"no uv is pinned for {platform} by recipe {recipe}",
            where="render",
            hint="use the embedded builder, `oci`",
        ) from None
    return Artifact(archive="pypi", path=path, sha256=Sha256(sha256), size=size)


def uv_program(recipe: int) -> str:
    """Where the program is in its wheel."""
    return f"uv-{_VERSION[recipe]}.data/scripts/uv"
