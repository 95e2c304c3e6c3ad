//! Pages about parts of Envoy that have nothing in them here: `/certs`, `/init_dump`, `/runtime`, `/runtime_modify`.
//!
//! Owns the answers that Envoy gives when there are no certificates, nothing to wait for and no runtime layers, so that
//! tools that ask for these pages get what they can read.

use super::Page;
use crate::admin::response::Response;

pub const PAGES: &[Page] = &[
    Page {
        path: "/certs",
        post: false,
        help: "print certs on machine",
        parameters: &[],
        answer: |_| Response::json("{\n \"certificates\": []\n}\n"),
    },
    Page {
        path: "/init_dump",
        post: false,
        help: "dump current Envoy init manager information (experimental)",
        parameters: &[(
            "mask",
            "The desired component to dump unready targets. The mask is parsed as a Protobuf::FieldMask. For example, get the unready targets of all listeners with /init_dump?mask=listener`",
        )],
        answer: |_| Response::json("{}\n"),
    },
    Page {
        path: "/runtime",
        post: false,
        help: "print runtime values",
        parameters: &[],
        answer: |_| Response::json("{\n \"entries\": {},\n \"layers\": []\n}\n"),
    },
    Page {
        path: "/runtime_modify",
        post: true,
        help: "Adds or modifies runtime values as passed in query parameters. To delete a previously added key, use an empty string as the value. Note that deletion only applies to overrides added via this endpoint; values loaded from disk can be modified via override but not deleted. E.g. ?key1=value1&key2=value2...",
        parameters: &[],
        answer: |_| Response::text(503, "No admin layer specified"),
    },
];
