"""Message classes and descriptors of the Envoy v3 API, kept apart from every other protobuf of the process.

Owns the private descriptor pool. A process may well have other protobufs that define `google.api` or
`envoy` names; a pool of our own cannot clash with them. The pool is filled at the first question (about
12 ms) and message classes are made one by one, as they are asked for.

Follows https://protobuf.dev/reference/protobuf/google.protobuf/ (Any: type URLs).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
    from google.protobuf.message import Message

SCHEMA_FILE = "envoy-v3-1.40.binpb"
TYPE_URL_PREFIX = "type.googleapis.com/"
BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap"


@cache
def pool() -> descriptor_pool.DescriptorPool:
    """The pool with every file of the API."""
    data = Path(__file__).with_name(SCHEMA_FILE).read_bytes()
    filled = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        filled.AddSerializedFile(file.SerializeToString())
    return filled


@cache
def find_descriptor(full_name: str) -> Descriptor | None:
    """The message type of that full name (`envoy.config.cluster.v3.Cluster`), or None."""
    try:
        return pool().FindMessageTypeByName(full_name)
    except KeyError:
        return None


@cache
def message_class(full_name: str) -> type[Message]:
    """The class for a message type by its full name.

    Raises KeyError when release 1.40 has no such message.
    """
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(full_name))


def class_of(descriptor: Descriptor) -> type[Message]:
    """The class for a descriptor of this pool."""
    return message_class(descriptor.full_name)


def new_message(full_name: str) -> Message:
    """An empty message by its full name."""
    return message_class(full_name)()


def type_of_url(type_url: str) -> str:
    """The full name in a type URL: all that follows the last slash; "" when there is no slash."""
    return type_url.rpartition("/")[2] if "/" in type_url else ""


def url_of_type(full_name: str) -> str:
    """The type URL that Envoy itself writes for a message type."""
    return TYPE_URL_PREFIX + full_name


@cache
def enum_type(full_name: str) -> EnumDescriptor:
    """An enum by its full name. Raises KeyError when release 1.40 has no such enum."""
    return pool().FindEnumTypeByName(full_name)


@cache
def enum_number(full_name: str, value: str) -> int:
    """The number of an enum value: `enum_number("envoy.config.cluster.v3.Cluster.LbPolicy", "RANDOM")`."""
    return int(enum_type(full_name).values_by_name[value].number)


def enum_name(field: FieldDescriptor, number: int) -> str:
    """The name of an enum field's value, or its number as text when the enum has no such value."""
    assert field.enum_type is not None
    found = field.enum_type.values_by_number.get(number)
    return found.name if found is not None else str(number)
