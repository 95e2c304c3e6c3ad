"""Ferryman: an L7 proxy that takes Envoy v3 configuration."""
