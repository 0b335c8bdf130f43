"""The check: what a host and its names are measured to be, compared with what the entry promises.

`probe` looks from the controller, the role check looks on the host, `judge` compares, `report` shows. Nothing here
changes a host.
"""
