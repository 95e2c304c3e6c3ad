//! The statistics of gRPC calls.
//!
//! Owns their names; follows the "Statistics" section of Envoy's page "gRPC statistics". All are listed from their first use
//! on. Of the statuses those that gRPC knows are counted one by one.

use super::declare::stats_group;

stats_group! {
    /// Of the calls to one cluster: `cluster.<name>.grpc.[<service>.<method>.]`, or `grpc-web` in the place of `grpc`
    GrpcCallStats (GrpcCall)
    GrpcCallStat {
        Ok counter "0" [used],
        Canceled counter "1" [used],
        Unknown counter "2" [used],
        InvalidArgument counter "3" [used],
        DeadlineExceeded counter "4" [used],
        NotFound counter "5" [used],
        AlreadyExists counter "6" [used],
        PermissionDenied counter "7" [used],
        ResourceExhausted counter "8" [used],
        FailedPrecondition counter "9" [used],
        Aborted counter "10" [used],
        OutOfRange counter "11" [used],
        Unimplemented counter "12" [used],
        Internal counter "13" [used],
        Unavailable counter "14" [used],
        DataLoss counter "15" [used],
        Unauthenticated counter "16" [used],
        Failure counter "failure" [used],
        RequestMessageCount counter "request_message_count" [used],
        ResponseMessageCount counter "response_message_count" [used],
        Success counter "success" [used],
        Total counter "total" [used],
    }
    GrpcCallHistogram {
        UpstreamRqTime "upstream_rq_time" [used],
    }
}

impl GrpcCallStat {
    /// The counter of a status, as it is written; none: gRPC has no such status.
    #[must_use]
    pub fn of_status(status: &[u8]) -> Option<Self> {
        Some(match status {
            b"0" => Self::Ok,
            b"1" => Self::Canceled,
            b"2" => Self::Unknown,
            b"3" => Self::InvalidArgument,
            b"4" => Self::DeadlineExceeded,
            b"5" => Self::NotFound,
            b"6" => Self::AlreadyExists,
            b"7" => Self::PermissionDenied,
            b"8" => Self::ResourceExhausted,
            b"9" => Self::FailedPrecondition,
            b"10" => Self::Aborted,
            b"11" => Self::OutOfRange,
            b"12" => Self::Unimplemented,
            b"13" => Self::Internal,
            b"14" => Self::Unavailable,
            b"15" => Self::DataLoss,
            b"16" => Self::Unauthenticated,
            _ => return None,
        })
    }
}
