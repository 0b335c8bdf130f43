"""Releases: what an instance runs, built once, signed, and refused when anything about it is off."""
