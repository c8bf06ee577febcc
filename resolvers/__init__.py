"""On whose behalf, with which arguments, by which service: one function a field."""
