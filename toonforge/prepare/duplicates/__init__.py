"""Near-duplicates: hashes, which of them are near each other, which picture of a group is kept, the groups drawn."""
