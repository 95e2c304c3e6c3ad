"""`retry-without-condition` and the like: retries that never come.

Owns these rules. Follows Envoy's pages "Router" and "How do I configure timeouts?": a try that hangs
is ended by the route's timeout, and then there is no time left for another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.lint.rule import Finding, Rule
from ferryman.lint.subject import seconds

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor
    from ferryman.lint.subject import Route, Subject

_DEFAULT_TIMEOUT_S: Final = 15.0
_OF_A_HANGING_TRY: Final = frozenset(
    {"5xx", "gateway-error", "deadline-exceeded", "cancelled", "unavailable"}
)
"""Conditions that hold for a try that runs into its own timeout."""


def _policy(route: Route) -> Cursor | None:
    action = route.action
    if action is not None and action.has("retry_policy"):
        return action.child("retry_policy")
    return route.host.child("retry_policy") if route.host.has("retry_policy") else None


def _policies(subject: Subject) -> Iterator[tuple[Route, Cursor]]:
    seen = set()
    for route in subject.routes():
        policy = _policy(route) if route.action is not None else None
        if policy is not None and policy.path not in seen:
            seen.add(policy.path)
            yield route, policy


def _judge_missing(subject: Subject) -> Iterator[Finding]:
    for _, policy in _policies(subject):
        conditions = {word.strip() for word in policy.get("retry_on").split(",")}
        limited = seconds(policy, "per_try_timeout") or seconds(policy, "per_try_idle_timeout")
        tries = policy.wrapped("num_retries")
        if not limited and tries != 0 and conditions & _OF_A_HANGING_TRY:
            yield Finding(
                policy,
                "a try that hangs takes all of the route's timeout, so it is never retried",
                "set per_try_timeout, shorter than the route's timeout",
                "retry_on",
            )


def _judge_condition(subject: Subject) -> Iterator[Finding]:
    for _, policy in _policies(subject):
        if not policy.get("retry_on"):
            text = "nothing is retried unless the request asks for it with x-envoy-retry-on"
            yield Finding(policy, text, "set retry_on: 5xx,reset,connect-failure,refused-stream for example")


def _judge_too_long(subject: Subject) -> Iterator[Finding]:
    for route, policy in _policies(subject):
        per_try = seconds(policy, "per_try_timeout")
        action = route.action
        whole = seconds(action, "timeout") if action is not None else None
        whole = _DEFAULT_TIMEOUT_S if whole is None else whole
        if per_try and whole and per_try >= whole:
            text = f"per_try_timeout ({per_try:g} s) is not shorter than the route's timeout ({whole:g} s)"
            yield Finding(policy, f"{text}, so it never ends a try", "make it shorter", "per_try_timeout")


RETRY_WITHOUT_PER_TRY_TIMEOUT: Final = Rule(
    "retry-without-per-try-timeout", "retries that a hanging try leaves no time for", _judge_missing
)
RETRY_WITHOUT_CONDITION: Final = Rule(
    "retry-without-condition", "a retry policy that says nothing of when to retry", _judge_condition
)
PER_TRY_TIMEOUT_TOO_LONG: Final = Rule(
    "per-try-timeout-too-long", "a timeout of one try that the route's timeout comes before", _judge_too_long
)
