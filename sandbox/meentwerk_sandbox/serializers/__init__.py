"""JSON as Mastodon shapes it."""
