"""A Docker engine, as the docker command line would find it."""

from imagelock.build.engine.connection import Engine, EngineFacts, connected
from imagelock.build.engine.endpoint import Endpoint, TlsFiles, find_endpoint

__all__ = ["Endpoint", "Engine", "EngineFacts", "TlsFiles", "connected", "find_endpoint"]
