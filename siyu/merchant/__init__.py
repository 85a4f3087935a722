"""商家: the shops of an installation and the people who run them (staff stands above shops)."""
