"""OCI registries and layouts: base images in, built images out."""
