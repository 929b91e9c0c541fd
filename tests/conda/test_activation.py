"""Activation: what can be said by variables is said by them, the rest is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagelock.build.oci.conda import activated
from imagelock.fetch.store import Store
from imagelock.layers.conda.activation import activation_variables
from imagelock.model.plan import ConfigChange
from support.conda_channel import conda_package, text
from support.conda_sites import link

SCRIPT = "etc/conda/activate.d/x.sh"

PLAIN = {
    'export GDAL_DATA="$CONDA_PREFIX/share/gdal"\n': {"GDAL_DATA": "/opt/conda/share/gdal"},
    "#!/bin/sh\n\n# a comment\nexport A=1\n": {"A": "1"},
    "export A='$not followed'": {"A": "$not followed"},
    'A=1\nB="${A}2"\nexport B\n': {"B": "12"},
    "export A=${CONDA_PREFIX}/lib/jvm;  # where\nexport A_B=$A/x\n": {
        "A": "/opt/conda/lib/jvm",
        "A_B": "/opt/conda/lib/jvm/x",
    },
    "export A=": {"A": ""},
    "": {},
}

NOT_PLAIN = [
    'export PATH="$CONDA_PREFIX/more:$PATH"',
    "export PATH=/nowhere",
    'export A="$(uname)"',
    "export A=`uname`",
    "export A=1 B=2",
    'export A="${B:-1}"',
    'export A="$B"',
    "export A=x; rm -rf /",
    "if true; then\nexport A=1\nfi",
    "source other.sh",
    "unset A",
    "export B",
    'export A="$1"',
    'export A="$$"',
    'export A="a\nb"',
    "export A=*",
    "export A=~/x",
    "A=1 command",
]


@pytest.mark.parametrize("script", PLAIN)
def test_plain_scripts_are_variables(script: str) -> None:
    assert activation_variables(SCRIPT, script.encode(), "/opt/conda") == PLAIN[script]


@pytest.mark.parametrize("script", NOT_PLAIN)
def test_other_scripts_are_not_guessed_at(script: str) -> None:
    assert activation_variables(SCRIPT, script.encode(), "/opt/conda") is None


def test_plain_scripts_say_what_a_shell_would(tmp_path: Path) -> None:
    import subprocess

    for number, (script, expected) in enumerate(PLAIN.items()):
        file = tmp_path / f"{number}.sh"
        file.write_text(script)
        shown = "".join(f'printf "%s\\n" "${name}"; ' for name in expected)
        done = subprocess.run(
            ["/bin/sh", "-c", f". {file}; {shown}"],
            env={"CONDA_PREFIX": "/opt/conda"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines() == list(expected.values())


def test_the_images_environment_has_them_and_the_spec_wins(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = link(
        store,
        [
            conda_package(
                "gdal",
                files={
                    "etc/conda/activate.d/gdal.sh": 'export GDAL_DATA="$CONDA_PREFIX/share"\n',
                    "etc/conda/activate.d/zodd.sh": "export GDAL=$(uname)\n",
                    "etc/conda/activate.d/gdal.fish": "set -gx GDAL_DATA x\n",
                    "etc/conda/env_vars.d/gdal.json": '{"LISTED": "yes", "GDAL_DATA": "listed"}',
                },
            ),
            conda_package(
                "home", files={"etc/conda/activate.d/home.sh": text("export HOME_OF=@PREFIX@/x\n")}
            ),
        ],
    )
    (notice,) = made.notices
    assert notice.endswith("run by `conda activate` alone: etc/conda/activate.d/zodd.sh")
    config = activated(
        ConfigChange(env=(("LISTED", "by the spec"),)), [layer.notes for layer in made.layers]
    )
    assert dict(config.env) == {
        "GDAL_DATA": "/opt/conda/share",
        "HOME_OF": "/opt/conda/x",
        "LISTED": "by the spec",
    }


def test_link_scripts_are_named_and_kept(tmp_path: Path) -> None:
    made = link(
        Store(tmp_path),
        [
            conda_package(
                "fonts",
                files={
                    "bin/.fonts-post-link.sh": "#!/bin/sh\nexit 1\n",
                    "bin/.fonts-pre-unlink.sh": "#!/bin/sh\nexit 1\n",
                    "bin/.other-post-link.sh": "not its own\n",
                },
            )
        ],
    )
    (notice,) = made.notices
    assert notice.endswith("did not run: bin/.fonts-post-link.sh, bin/.fonts-pre-unlink.sh")
    assert made.contents["bin/.fonts-post-link.sh"] == b"#!/bin/sh\nexit 1\n"
