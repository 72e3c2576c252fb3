"""Using what training left behind: loading translators, translating pictures."""
