"""Flyte 2's image builder ``imagelock``, by the entry-point group ``flyte.plugins.image_builders``.

``flyte.init(image_builder="imagelock")`` chooses it. An ``Image`` of Flyte 2 is a base and layers;
each layer becomes fields of our ImageSpec, and is refused by name where no lock can hold it.
"""
