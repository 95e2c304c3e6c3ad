"""The filters that are built: `http/` and `network/`, one file a filter, named as Envoy names it."""
