"""Churn: who will leave, asked one by one or for all customers at once, by one declaration."""
