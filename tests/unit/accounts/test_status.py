"""The list of accounts as it is on the server."""

from meentwerk.accounts import status

STATE = {"email": "news@tides.example.org", "confirmed": True, "approved": True}


def test_only_links_can_be_verified() -> None:
    fields = [
        {"name": "Open", "value": "weekdays", "verified_at": None},
        {"name": "Web", "value": "https://tides.example.org", "verified_at": "2026-01-01T00:00:00Z"},
        {"name": "Feed", "value": "https://tides.example.org/feed", "verified_at": None},
    ]
    [row] = status.rows({"news": {**STATE, "fields": fields}}, [])
    assert row["verified"] == "1 of 2"
