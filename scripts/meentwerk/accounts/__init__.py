"""Accounts: from a department's list to working, branded accounts. `docs/accounts.md` is for who uses it.

list -> `reading` (rows with their places) -> `checks` and `between` (everything that is wrong, at once) ->
`planning` (what differs from the server) -> `applying` (batch) or `over_api` (another's server),
with `journal` and `credentials`
"""
