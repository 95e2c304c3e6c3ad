"""The inputs of match trees: what a tree may look at, by the type of the input's configuration.

Owns the inputs and which of them are built. Where one may stand is said by whoever has the tree
(`match_tree.py`).

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/advanced/matching/matching_api
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields

_HTTP: Final = "envoy.type.matcher.v3."
_NETWORK: Final = "envoy.extensions.matching.common_inputs.network.v3."
_SSL: Final = "envoy.extensions.matching.common_inputs.ssl.v3."
_ENVIRONMENT: Final = "envoy.extensions.matching.common_inputs.environment_variable.v3.Config"

REQUEST_HEADER: Final = f"{_HTTP}HttpRequestHeaderMatchInput"

_HEADERS: Final = {
    REQUEST_HEADER: "request_headers",
    f"{_HTTP}HttpRequestTrailerMatchInput": "request_trailers",
    f"{_HTTP}HttpResponseHeaderMatchInput": "response_headers",
    f"{_HTTP}HttpResponseTrailerMatchInput": "response_trailers",
}
_RESPONSE: Final = {
    f"{_HTTP}HttpResponseStatusCodeMatchInput": "status_code",
    f"{_HTTP}HttpResponseStatusCodeClassMatchInput": "status_code_class",
    f"{_HTTP}HttpResponseLocalReplyMatchInput": "local_reply",
}
_CONNECTION: Final = {
    f"{_NETWORK}DestinationIPInput": "destination_ip",
    f"{_NETWORK}DestinationPortInput": "destination_port",
    f"{_NETWORK}SourceIPInput": "source_ip",
    f"{_NETWORK}SourcePortInput": "source_port",
    f"{_NETWORK}DirectSourceIPInput": "direct_source_ip",
    f"{_NETWORK}SourceTypeInput": "source_type",
    f"{_NETWORK}ServerNameInput": "server_name",
}
_CERTIFICATE: Final = {
    f"{_SSL}UriSanInput": "uri_san",
    f"{_SSL}DnsSanInput": "dns_san",
    f"{_SSL}SubjectInput": "subject",
}
_NETWORK_ONLY: Final = {
    f"{_NETWORK}TransportProtocolInput": "transport_protocol",
    f"{_NETWORK}ApplicationProtocolInput": "application_protocol",
}
_NAMED: Final = {name: Fields(name, "header_name") for name in _HEADERS}
_PLAIN: Final = {name: Fields(name) for name in (_RESPONSE | _CONNECTION | _CERTIFICATE | _NETWORK_ONLY)}
_QUERY: Final = Fields(f"{_HTTP}HttpRequestQueryParamMatchInput", "query_param")
FILTER_STATE: Final = f"{_NETWORK}FilterStateInput"
_FILTER_STATE: Final = Fields(FILTER_STATE, "key field")
_METADATA: Final = Fields(f"{_NETWORK}DynamicMetadataInput", "filter path")
_METADATA_PATH: Final = Fields(f"{_NETWORK}DynamicMetadataInput.PathSegment", "key")
_VARIABLE: Final = Fields(
    _ENVIRONMENT, no_effect={"name": "Envoy 1.40 finds no value, whether the variable is set or not"}
)


def _header(cursor: Cursor) -> model.MatchInput:
    name = _NAMED[cursor.type_name].read(cursor).get("header_name", "")
    return model.HeaderInput(part=_HEADERS[cursor.type_name], name=name.lower())


def _query_parameter(cursor: Cursor) -> model.MatchInput:
    return model.QueryParameterInput(name=_QUERY.read(cursor).get("query_param", ""))


def _response(cursor: Cursor) -> model.MatchInput:
    return model.ResponseInput(fact=_RESPONSE[cursor.type_name])


def _connection(cursor: Cursor) -> model.MatchInput:
    return model.ConnectionInput(fact=(_CONNECTION | _CERTIFICATE | _NETWORK_ONLY)[cursor.type_name])


def _filter_state(cursor: Cursor) -> model.MatchInput:
    fields = _FILTER_STATE.read(cursor)
    return model.FilterStateInput(key=fields.get("key", ""), field=fields.get("field", ""))


def _dynamic_metadata(cursor: Cursor) -> model.MatchInput:
    fields = _METADATA.read(cursor)
    path = [_METADATA_PATH.read(item).get("key", "") for item in cursor.items("path")]
    return model.DynamicMetadataInput(namespace=fields.get("filter", ""), path=path)


def _variable(cursor: Cursor) -> model.MatchInput:
    _VARIABLE.read(cursor)
    return model.AbsentInput()


Lower = Callable[[Cursor], model.MatchInput]

COMMON: Final[Mapping[str, Lower]] = {_ENVIRONMENT: _variable}
"""Those that may stand everywhere."""

HTTP: Final[Mapping[str, Lower]] = {
    **dict.fromkeys(_HEADERS, _header),
    **dict.fromkeys(_RESPONSE, _response),
    **dict.fromkeys(_CONNECTION | _CERTIFICATE, _connection),
    _QUERY.message: _query_parameter,
    _FILTER_STATE.message: _filter_state,
    _METADATA.message: _dynamic_metadata,
}
"""Those of HTTP streams."""

NETWORK: Final[Mapping[str, Lower]] = {
    **dict.fromkeys(_CONNECTION | _NETWORK_ONLY, _connection),
    _FILTER_STATE.message: _filter_state,
}
"""Those of connections."""

HTTP_CATEGORY: Final = "envoy.matching.http.input"
NETWORK_CATEGORY: Final = "envoy.matching.network.input"
COMMON_CATEGORY: Final = "envoy.matching.common_inputs"
