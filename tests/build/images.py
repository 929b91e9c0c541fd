"""A command in a made image, its output taken."""

from __future__ import annotations

from build.conftest import Site
from imagelock.build.oci.builder import MadeImage
from imagelock.build.oci.sandbox import PATH, Work, open_sandbox
from imagelock.build.oci.trees import Trees


def in_image(site: Site, image: MadeImage, script: str) -> str:
    """What a shell script prints in the image; it must end with status 0."""
    sandbox = open_sandbox(site.store.root)
    scratch = sandbox.scratch()
    work = Work(
        lower=Trees(sandbox, image.blob_file).names(image.image.layers),
        commands=(("/bin/sh", "-c", script),),
        env=(("PATH", PATH), ("LC_ALL", "C")),
    )
    status, output = sandbox.run(work, scratch)
    sandbox.remove(scratch)
    sandbox.close()
    assert status == 0, output
    return output
