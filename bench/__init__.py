"""Ferryman's benchmark: against Envoy, nginx and HAProxy in one run, and by itself at scale.

`make bench` runs all of it; `python -m bench --help` tells how to run part of it. The figure is CPU
microseconds per request, since throughput on a shared machine is bound by the load generator and moves with
the neighbours; what counts is each ratio within one run.
"""
