"""Demand: forecasts of many series by one model, with intervals, and whether a plan is enough."""
