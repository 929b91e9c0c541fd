"""The nouns: frozen values passed between stages, and the errors.

Nothing here does I/O, and nothing here imports another stage.
"""
