"""What the server sends, as types. New fields may be added at any time."""
