"""The rules as data, and checking a draft against them."""
