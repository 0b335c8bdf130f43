"""Moderation policy as code: read it in layers, plan against a server, apply with guards, audit, publish.

The way of a run: `document` reads layers, `model` says what they may hold, `lists` and `sources` read others' lists,
`merge` makes one policy of them, `server` reads what is there, `plan` compares, `guards` judge, `order` sorts, `apply` does
it and reads it back, `audit` remembers.
"""
