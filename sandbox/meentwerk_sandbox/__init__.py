"""A strict stand-in for Mastodon, for rehearsals: the same release contract on the same PostgreSQL and Valkey."""
