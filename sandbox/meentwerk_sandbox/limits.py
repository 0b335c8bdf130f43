"""Mastodon's limits (app/models/account.rb, media_attachment.rb)."""

USERNAME = 30
DISPLAY_NAME = 40
NOTE = 500
FIELDS = 4
FIELD = 255
ATTRIBUTION_DOMAINS = 100
AVATAR_BYTES = 8 * 1024 * 1024
AVATAR_DESCRIPTION = 150
PASSWORD_MIN = 8
PASSWORD_MAX = 72
EMAIL = 320
ATTACHMENTS = 4
MEDIA_DESCRIPTION = 10_000
IMAGE_BYTES = 16 * 1024 * 1024
IMAGE_MATRIX = 33_177_600
# Images only: the sandbox has no ffmpeg. Mastodon takes video and audio as well.
IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
RULE = 300  # Rule::TEXT_SIZE_LIMIT
