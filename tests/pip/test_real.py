"""Real PyPI: a smoke test, and differences with ``uv pip compile`` on the same index.

uv is told the same platform, the same exact Python and wheels only. An answer must be the same,
or differ for the one reason accepted here, checked for each: uv looks at the lower bound of
Requires-Python alone, so that it may choose what forbids the target's Python. What uv solves has
to be solved.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.pip import pip_section
from imagelock.fetch.http import Http
from imagelock.fetch.pypi.client import SimpleIndexes
from imagelock.fetch.store import Store
from imagelock.model.errors import NoSolution
from imagelock.model.names import pip_name
from imagelock.model.pip_spec import PipSpec
from imagelock.model.platform import Platform
from imagelock.model.python import PythonTarget
from imagelock.resolve.pip.requirements import allows
from imagelock.resolve.pip.resolution import resolve

pytestmark = pytest.mark.network
PYPI = "https://pypi.org/simple/"
AMD, ARM = Platform("linux/amd64"), Platform("linux/arm64")
UV_PLATFORMS = {AMD: "x86_64-manylinux_2_36", ARM: "aarch64-manylinux_2_36"}
QUICK = ("flask", "requests[socks] httpx[http2]", "boto3 urllib3<2 botocore")
SETS = (
    "aiohttp aiodns",
    "ansible",
    "apache-airflow==2.10.5",
    "azure-storage-blob azure-identity",
    "black ruff mypy pylint",
    "cryptography pyopenssl paramiko",
    "dagster dagster-webserver",
    "dask[complete] distributed",
    "dbt-core dbt-postgres",
    "django djangorestframework celery[redis]",
    "django<4 celery<5.3 kombu",
    "fastapi[standard] sqlalchemy alembic",
    "flytekit mlflow",
    "geopandas shapely rasterio",
    "google-cloud-storage google-cloud-bigquery",
    "great-expectations",
    "gunicorn uvicorn[standard] gevent",
    "h5py tables",
    "jax[cpu] flax optax",
    "jupyterlab pandas scikit-learn matplotlib",
    "kubernetes",
    "langchain openai",
    "llama-index",
    "mkdocs-material",
    "moto[all]",
    "networkx sympy",
    "nltk gensim",
    "numba",
    "numpy pandas scipy",
    "numpy<2 pandas<2.1",
    "onnx onnxruntime",
    "opencv-python-headless pillow",
    "opentelemetry-sdk opentelemetry-exporter-otlp opentelemetry-instrumentation-flask",
    "poetry",
    "polars pyarrow duckdb",
    "prefect",
    "protobuf<4 grpcio-tools",
    "psycopg[binary] asyncpg",
    "pydantic-settings typer rich",
    "pytest pytest-cov hypothesis tox",
    "ray[default]",
    "scrapy",
    "sentry-sdk[flask]",
    "snowflake-connector-python[pandas]",
    "spacy",
    "sphinx furo myst-parser",
    "sqlalchemy<2 pandas",
    "statsmodels seaborn",
    "streamlit plotly",
    "tensorflow",
    "torch torchvision",
    "transformers[torch]",
    "wandb tensorboard",
    "xgboost lightgbm catboost",
)


@pytest.fixture(scope="module")
def index(shared_store: Store) -> Iterator[SimpleIndexes]:
    with SimpleIndexes(shared_store, Http(), [PYPI]) as made:
        yield made


def by_uv(requirements: list[str], target: PythonTarget, folder: Path) -> dict[str, str] | None:
    """Uv's answer by name, None when it finds none."""
    program = shutil.which("uv")
    assert program is not None, "the oracle is missing: install uv"
    asked = folder / "requirements.in"
    asked.write_text("\n".join(requirements) + "\n")
    variables = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    done = subprocess.run(
        [
            *(program, "pip", "compile", "-q", "--only-binary", ":all:", "--no-config"),
            *("--python-platform", UV_PLATFORMS[target.platform]),
            *("--python-version", target.version, "--no-annotate", "--no-header", str(asked)),
        ],
        capture_output=True,
        text=True,
        env=variables,
        check=False,
    )
    if done.returncode:
        assert "No solution found" in done.stderr, done.stderr
        return None
    found = re.findall(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==(\S+)$", done.stdout, re.MULTILINE)
    assert found
    return dict(found)


def forbidden(index: SimpleIndexes, chosen: dict[str, str], python: str) -> list[str]:
    """The packages of an answer whose own metadata forbid this Python."""
    found = []
    for name, version in chosen.items():
        for release in index.project(pip_name(name)).releases:
            if release.version == version:
                files = [file for file in release.files if file.is_wheel]
                if all(
                    file.requires_python and not allows(file.requires_python, python)
                    for file in files
                ):
                    found.append(f"{name}=={version}")
    return found


def compare(index: SimpleIndexes, requirements: str, target: PythonTarget, folder: Path) -> None:
    theirs = by_uv(requirements.split(), target, folder)
    try:
        found = resolve(requirements.split(), target=target, index=index)
    except NoSolution:
        assert theirs is None or forbidden(index, theirs, target.version)
        return
    assert theirs is not None, "uv finds nothing: which of its rules is missing here?"
    ours = {str(item.name): item.version for item in found.packages}
    if ours != theirs:
        assert forbidden(index, theirs, target.version), sorted(ours.items() ^ theirs.items())


def target_of(platform: Platform, python: str) -> PythonTarget:
    return PythonTarget(platform=platform, version=python, libc="glibc 2.36")


@pytest.mark.parametrize("requirements", QUICK)
def test_the_same_as_uv(index: SimpleIndexes, requirements: str, tmp_path: Path) -> None:
    compare(index, requirements, target_of(AMD, "3.11.7"), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.11.7", "3.13.1"])
@pytest.mark.parametrize("platform", [AMD, ARM], ids=str)
@pytest.mark.parametrize("requirements", SETS)
def test_the_same_as_uv_everywhere(
    index: SimpleIndexes, requirements: str, platform: Platform, python: str, tmp_path: Path
) -> None:
    compare(index, requirements, target_of(platform, python), tmp_path)


def test_two_platforms_then_offline(shared_store: Store) -> None:
    targets = {platform: target_of(platform, "3.12.4") for platform in (AMD, ARM)}
    asked = PipSpec(packages=("markupsafe", "requests"))

    def made(*, offline: bool) -> object:
        context = Context(
            store=shared_store, http=Http(offline=offline), now=datetime(2026, 11, 1, tzinfo=UTC)
        )
        return pip_section(asked, targets, context=context, options=ResolveOptions(), previous=None)

    online = made(offline=False)
    assert made(offline=True) == online
    pins = online.pins  # type: ignore[attr-defined]
    by_name = {(pin.name, len(pin.platforms)) for pin in pins}
    assert ("requests", 2) in by_name
    assert ("markupsafe", 1) in by_name
    assert {pin.artifact.archive for pin in pins} == {"pypi"}
    assert all(pin.artifact.size > 0 for pin in pins)


def test_requires_python_of_the_exact_patch(index: SimpleIndexes) -> None:
    asked = ["soupsieve<4.2"]
    old = resolve(asked, target=target_of(AMD, "3.11.0"), index=index).packages[0]
    new = resolve(asked, target=target_of(AMD, "3.11.7"), index=index).packages[0]
    assert old.version != new.version
