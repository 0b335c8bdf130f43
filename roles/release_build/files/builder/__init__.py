"""Builds the tree of a release of Mastodon on a Debian 13 host; each stage is `python3 -m builder STAGE`.

Only the standard library: it runs on a bare host, as root, and gives every command of the application to a user of its
own. What stands in plan.json decides everything; nothing is read from the environment.
"""
