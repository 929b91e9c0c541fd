"""Sources of Python packages: their metadata on the host, their wheels in the image's sandbox."""
