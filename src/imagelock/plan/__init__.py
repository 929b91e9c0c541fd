"""Lock to BuildPlan: the ordered steps of an image."""
