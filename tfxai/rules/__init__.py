"""Rules: op type -> backward rule, as pure functions in literal dicts."""
