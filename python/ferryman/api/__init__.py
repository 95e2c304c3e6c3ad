"""The Envoy v3 API of release 1.40: its message classes, its annotations and its extensions.

Owns the two data files beside it and nothing else: `envoy-v3-1.40.binpb` (every message, read out of the
release by `tools/extract_schema.py`) and `envoy-v3-1.40.extensions.tsv` (what the release can be
extended with). Does not know what any message means. Imported by `ferryman.config` and `ferryman.xds` only.
"""
