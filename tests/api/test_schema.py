from __future__ import annotations

import subprocess
import sys

import pytest
from ferryman.api import annotations, extensions, schema
from ferryman.api.suggestions import did_you_mean, nearest

CLUSTER = "envoy.config.cluster.v3.Cluster"


def test_messages_are_made_by_name() -> None:
    message = schema.new_message(CLUSTER)
    assert message.DESCRIPTOR.full_name == CLUSTER
    assert schema.message_class(CLUSTER) is schema.message_class(CLUSTER) is type(message)
    assert schema.class_of(message.DESCRIPTOR) is type(message)
    assert schema.find_descriptor("envoy.Nothing") is None
    with pytest.raises(KeyError):
        schema.message_class("envoy.Nothing")


def test_type_urls() -> None:
    assert schema.url_of_type(CLUSTER) == f"type.googleapis.com/{CLUSTER}"
    assert schema.type_of_url(schema.url_of_type(CLUSTER)) == CLUSTER
    assert schema.type_of_url("a/b/c") == "c"
    assert schema.type_of_url(CLUSTER) == ""


def test_enums() -> None:
    assert schema.enum_number(f"{CLUSTER}.LbPolicy", "RANDOM") == 3
    descriptor = schema.find_descriptor(CLUSTER)
    assert descriptor is not None
    field = descriptor.fields_by_name["lb_policy"]
    assert (schema.enum_name(field, 3), schema.enum_name(field, 99)) == ("RANDOM", "99")


def field(message: str, name: str):  # type: ignore[no-untyped-def]
    descriptor = schema.find_descriptor(message)
    assert descriptor is not None
    return descriptor.fields_by_name[name]


def test_annotations() -> None:
    rules = annotations.field_rules(field(CLUSTER, "name"))
    assert rules is not None
    assert rules.string.min_len == 1
    assert annotations.field_rules(field("envoy.config.core.v3.Locality", "zone")) is None
    assert annotations.deprecated_since(field(CLUSTER, "http_protocol_options")) == "3.0"
    assert annotations.deprecated_since(field(CLUSTER, "name")) is None
    action = field("envoy.config.route.v3.RateLimit.Action", "dynamic_metadata")
    assert annotations.disallowed_by_default(action)
    assert not annotations.disallowed_by_default(field(CLUSTER, "http_protocol_options"))
    secret = "envoy.extensions.transport_sockets.tls.v3.TlsCertificate"
    assert annotations.is_sensitive(field(secret, "private_key"))
    assert not annotations.is_sensitive(field(secret, "certificate_chain"))
    match = schema.find_descriptor("envoy.config.route.v3.RouteMatch")
    assert match is not None
    assert annotations.oneof_required(match.oneofs_by_name["path_specifier"])


def test_deprecated_enum_values() -> None:
    values = schema.enum_type("envoy.config.core.v3.ApiConfigSource.ApiType").values_by_name
    old = values["DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE"]
    assert annotations.deprecated_since(old) is not None
    assert annotations.disallowed_by_default(old)
    assert annotations.deprecated_since(values["GRPC"]) is None


def test_every_extension_type_is_in_the_schema() -> None:
    assert len(extensions.all_extensions()) == 516
    assert len(extensions.by_type()) == 380
    assert all(schema.find_descriptor(name) is not None for name in extensions.by_type())


def test_extensions_by_type_and_category() -> None:
    [router] = extensions.by_type()["envoy.extensions.filters.http.router.v3.Router"]
    assert (router.category, router.name) == ("envoy.filters.http", "envoy.filters.http.router")
    assert extensions.in_category("envoy.filters.http")["envoy.filters.http.router"] is router
    assert extensions.in_category("envoy.nothing") == {}


def test_contrib() -> None:
    assert extensions.is_contrib("envoy.extensions.filters.http.golang.v3alpha.Config")
    assert not any(extensions.is_contrib(name) for name in extensions.by_type())


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("envoy.extensions.filters.http.ruoter.v3.Router", "envoy.extensions.filters.http.router.v3.Router"),
        ("envoy.config.filter.http.router.v2.Router", "envoy.extensions.filters.http.router.v3.Router"),
        ("a.b.c", None),
    ],
)
def test_the_nearest_type(wrong: str, meant: str | None) -> None:
    assert extensions.nearest_type(wrong) == meant


def test_suggestions() -> None:
    assert nearest("naem", ["name", "type"]) == "name"
    assert did_you_mean("naem", ["name", "type"]) == "did you mean name?"
    assert did_you_mean("zzz", ["name", "type"]) is None


def test_importing_the_front_half_loads_no_schema_and_no_yaml() -> None:
    program = (
        "import sys, ferryman.config.parse; from ferryman.api import schema;"
        "assert not schema.pool.cache_info().currsize;"
        "print(sorted({'yaml', 'difflib', 'asyncio', 'click', 'rich', 'msgspec'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_pool_is_apart_from_the_default_one() -> None:
    from google.protobuf import descriptor_pool

    schema.find_descriptor(CLUSTER)
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName(CLUSTER)
