"""Moderation policy as code: read it in layers, plan against a server, apply with guards, audit, publish.

The way of a run: `layers` reads files, `model` says what they may hold, `lists` and `sources` read others' lists,
`merge` makes one `policy` of them, `server` reads the `state`, `plan` compares, `guards` judge, `order` sorts, `work`
carries it out and reads it back, `audit` remembers.
"""
