"""Measurements of Meentwerk itself. None is a test: a slow machine fails nothing.

provision           what people run; provision.py is behind it
provision.py        boots embedded hosts, runs the site playbook and the floor, writes the result and the page
inventory.py        the temporary inventory: the demo's, under other names and addresses
measure.py          runs a command and says what it cost: time, processor, rounds to the hosts
times.py            from the callback's events to the time of each task and role
report.py           the result file, and the table of docs/performance.md made from it
floor.sh            runs on a bare host: the least that leads to the same instance
callback_plugins/   writes when each task begins and how it ended
identities          how long the identity check takes for many organisations
results/            one file for each kept run
"""
