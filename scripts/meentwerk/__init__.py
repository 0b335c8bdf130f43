"""Run Mastodon as public infrastructure."""
