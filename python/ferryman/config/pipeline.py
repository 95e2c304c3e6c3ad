"""The life of a configuration on one screen: load, parse, validate, lower, check references.

Owns the order of the stages and what comes out of them. Every stage goes on after a problem, so that all of
them are reported at once; nothing is returned unless there is none. Applying the result is `ferryman.proxy`'s
business. `docs/life_of_a_config.md` tells the same in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ferryman.config import model
from ferryman.config.bootstrap import (
    LoadOptions,
    lower_bootstrap,
    lower_default_bind,
    read_static_resources,
)
from ferryman.config.cluster import lower_cluster
from ferryman.config.collector import collector_paused
from ferryman.config.cursor import Cursor
from ferryman.config.listener import lower_listeners
from ferryman.config.parse import check_rules, parse_bootstrap
from ferryman.config.problems import Problem, Problems
from ferryman.config.references import References
from ferryman.config.source import Source
from ferryman.errors import ConfigError

__all__ = ["LoadOptions", "Lowered", "check_bootstrap", "load_bootstrap", "read_sources"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """A configuration that is ready to be applied."""

    bootstrap: model.Bootstrap
    clusters: list[model.Cluster]
    listeners: list[model.Listener]
    warnings: list[str]
    """`file:line:col: path: problem; hint`, one line each."""
    message: bytes
    """The whole envoy.config.bootstrap.v3.Bootstrap as it was read, for the configuration dump."""


def read_sources(paths: Sequence[str], config_yaml: str = "") -> list[Source]:
    """The configuration files, and `--config-yaml` merged over them. Raises SourceError."""
    sources = [Source.from_file(path) for path in paths]
    return [*sources, Source.from_text(config_yaml)] if config_yaml else sources


def load_bootstrap(sources: Sequence[Source], options: LoadOptions | None = None) -> Lowered:
    """Everything that a process runs. Raises ConfigError with all problems."""
    lowered, problems = _run(sources, options or LoadOptions())
    if lowered is None:
        raise ConfigError(problems)
    return lowered


def check_bootstrap(sources: Sequence[Source], options: LoadOptions | None = None) -> Problems:
    """All problems of a configuration, warnings too; it is good if `has_errors` is false."""
    return _run(sources, options or LoadOptions())[1]


def _run(sources: Sequence[Source], options: LoadOptions) -> tuple[Lowered | None, Problems]:
    with collector_paused():
        cursor, problems = parse_bootstrap(sources, allow_unknown=options.allow_unknown_fields)
        return validate_and_lower(cursor, options), problems


def validate_and_lower(cursor: Cursor, options: LoadOptions) -> Lowered | None:
    """What a Bootstrap message says; None when the cursor's problems have an error."""
    check_rules(cursor)
    references = References()
    bootstrap = lower_bootstrap(cursor, options, references)
    resources = read_static_resources(cursor)
    for secret in resources.items("secrets"):
        references.secrets.define(secret)
    bind = lower_default_bind(cursor)
    clusters = _lower_clusters(resources, references, bind)
    listeners = lower_listeners(resources, references)
    if not _lacks_clusters(cursor, resources):
        references.check()
    if cursor.problems.has_errors:
        return None
    return Lowered(
        bootstrap=bootstrap,
        clusters=clusters,
        listeners=listeners,
        warnings=[str(warning) for warning in _worth_telling(cursor.problems, options)],
        message=cursor.message.SerializeToString(deterministic=True),
    )


def _worth_telling(problems: Problems, options: LoadOptions) -> list[Problem]:
    quiet = "deprecated" if options.skip_deprecated_logs else None
    return [warning for warning in problems.warnings if warning.code != quiet]


def _lacks_clusters(root: Cursor, resources: Cursor) -> bool:
    """Whether a cluster or its name could not be read, so that a name nobody has proves nothing."""
    problems = root.problems
    if not problems.has_errors:
        return False
    # The whole list may stand at the wrong depth, or under a misspelt `static_resources`.
    unread = root.is_doubtful() or resources.is_doubtful() or resources.is_doubtful("clusters")
    misplaced = any(problem.path[-1:] == ("clusters",) for problem in problems.errors)
    return unread or misplaced or any(not item.get("name") for item in resources.items("clusters"))


def _lower_clusters(
    resources: Cursor, references: References, bind: model.UpstreamBind | None
) -> list[model.Cluster]:
    lowered = []
    for item in resources.items("clusters"):
        cluster = lower_cluster(item, references.secrets, bind)
        if not references.define_cluster(cluster.name) and cluster.name:
            item.problem(f"there is a cluster `{cluster.name}` already", field="name", code="duplicate")
        lowered.append(cluster)
    return lowered
