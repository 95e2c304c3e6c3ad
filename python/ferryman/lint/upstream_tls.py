"""`upstream-tls-unverified`: TLS to an upstream whose certificate nobody looks at.

Owns the rule. Follows Envoy's page "TLS": without a validation context any certificate is accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.lint.rule import Finding, Rule
from ferryman.lint.subject import named, short_name, walk

if TYPE_CHECKING:
    from ferryman.lint.subject import Subject

_CONTEXTS: Final = (
    "validation_context",
    "validation_context_sds_secret_config",
    "combined_validation_context",
    "custom_tls_certificate_selector",
    "validation_context_certificate_provider",
    "validation_context_certificate_provider_instance",
)


def _judge(subject: Subject) -> Iterator[Finding]:
    for cluster in subject.clusters:
        for cursor in walk(cluster):
            if short_name(cursor) != "UpstreamTlsContext":
                continue
            common = cursor.child("common_tls_context")
            if not any(field in _CONTEXTS for field in common.fields_set()):
                yield Finding(
                    cursor,
                    f"{named(cluster)} takes any certificate: whoever is in between can read and change all",
                    "add common_tls_context.validation_context: trusted_ca and match_typed_subject_alt_names",
                )


UPSTREAM_TLS_UNVERIFIED: Final = Rule(
    "upstream-tls-unverified", "TLS to an upstream whose certificate nobody looks at", _judge
)
