"""The admin pages that Python answers, one file a group. The others are `crates/dataplane/src/admin/pages/`.

`pages.py` has the list and answers a request; a page is a function from a question and what there is to tell.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/admin.
"""
