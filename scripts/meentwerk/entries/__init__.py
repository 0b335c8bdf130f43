"""Departments' entries: their model, and what is checked before any host is touched.

`model` says what an entry may hold, `values` and `names` what a right value is, `document` reads YAML with places
(`syntax` says what is wrong where it is none), `fleet` puts an inventory together, `rules` and `between` find problems
and `explain` words them, `derived` writes schema, argument_specs and reference from the model.
"""
