"""What a user's own tests need: virtual time, schedules, and an EPP registry to test against."""
