"""Embedded hosts: real Debian 13 machines on this one, booted by systemd-nspawn from a cached image.

state.py      where things are kept, locks, what is known of each host
image.py      the cached Debian tree and layers over it
network.py    the bridge, each host's network namespace, the way out
boot.py       from a record to a running host, and back to nothing
sysctl.py     writable copies of the kernel's machine-wide settings
hosts.py      the verbs up, down, list, shell, prune
cli.py        their command line
"""
