"""Commerce (交易): what is offered, at what price, how many there are, and the orders for it."""
