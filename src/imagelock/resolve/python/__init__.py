"""Which interpreter an image has, to the exact patch."""
