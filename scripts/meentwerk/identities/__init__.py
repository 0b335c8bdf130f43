"""Who is behind an account: registers of organisations, rel="me", WebFinger, and the page that shows it to citizens.

`config` reads what to check, `registers/` reads registers, `fetch` is the only way out to the network, `checks` judges
one account, `run` all of them, `results` and `history` keep what was found, `publish` makes the register page, `fix`
says what to mend.
"""
