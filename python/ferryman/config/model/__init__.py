"""What lowering yields and the data plane takes: frozen, complete, without "absent means".

Owns the shape of everything that crosses into Rust; `crates/dataplane/src/model` is its twin file by file,
and the golden files in `tests/model/` are read by both. It does not know protobuf, defaults or positions:
every default is already filled in, every name resolved, every duration is in milliseconds (`_ms`) and every
size in bytes (`_bytes`). `None` stands for "off" or "no limit", never for "the default". Imports nothing of
Ferryman.

Each module here is found as `model.Name` by all its public names; no two have the same.
"""

from ferryman.config.model.access_log import *
from ferryman.config.model.address import *
from ferryman.config.model.bootstrap import *
from ferryman.config.model.cluster import *
from ferryman.config.model.compression import *
from ferryman.config.model.filter_state import *
from ferryman.config.model.format import *
from ferryman.config.model.header import *
from ferryman.config.model.http2_options import *
from ferryman.config.model.http_connection_manager import *
from ferryman.config.model.http_filters import *
from ferryman.config.model.listener import *
from ferryman.config.model.listener_filter import *
from ferryman.config.model.local_reply import *
from ferryman.config.model.match_tree import *
from ferryman.config.model.matcher import *
from ferryman.config.model.metadata import *
from ferryman.config.model.network_filter import *
from ferryman.config.model.rate_limit import *
from ferryman.config.model.redirect import *
from ferryman.config.model.route import *
from ferryman.config.model.runtime import *
from ferryman.config.model.stats_matcher import *
from ferryman.config.model.stats_sink import *
from ferryman.config.model.tls import *
from ferryman.config.model.udp import *
from ferryman.config.model.upstream_connection import *
from ferryman.config.model.watchdog import *
