"""Streaming anomaly detection: is this measurement a sign that something is about to break?"""
