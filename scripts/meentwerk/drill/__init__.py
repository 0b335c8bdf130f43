"""The proof that backups come back: what a rehearsed restore measured, signed."""
