"""A command in a made image, its output taken."""

from __future__ import annotations

from build.conftest import Site
from imagelock.build.oci.builder import MadeImage
from imagelock.build.oci.sandbox import PATH, Work, open_sandbox
from imagelock.build.oci.trees import Trees


def in_image(site: Site, image: MadeImage, script: str) -> str:
    """What a shell script prints in the image; it must end with status 0."""
    with open_sandbox(site.store.root) as sandbox, sandbox.scratch() as scratch:
        work = Work(
            lower=Trees(sandbox, image.blob_file).names(image.image.layers),
            commands=(("/bin/sh", "-c", script),),
            env=(("PATH", PATH), ("LC_ALL", "C")),
        )
        status, output = sandbox.run(work, scratch)
    assert status == 0, output
    return output
