"""A share of the requests is told to those who look on, and nobody waits for them."""
