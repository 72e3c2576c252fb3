"""Files of several folders brought together by name."""
