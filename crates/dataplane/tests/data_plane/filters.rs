//! The HTTP filter chain: order, answers, waiting, holding, routes that disable filters.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use ferryman_codec::HeaderName;
use ferryman_dataplane::filters::http::{
    Answer, FilterContext, HttpFilter, NamedFilter, Phase, StreamFilter,
};
use ferryman_dataplane::local_reply::LocalReply;
use ferryman_dataplane::model::http_filters::RouteFilterConfig;
use ferryman_dataplane::stream_info::StreamInfo;

use crate::rig::{Rig, connection_manager, read_all, read_until, run, write};

/// What a filter of these tests does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// Notes its calls, and adds a header to the request and to the response.
    Mark,
    /// Answers the client itself.
    Respond,
    /// Waits once in each phase.
    Wait,
    /// Holds the request until all of its body is there, and turns that into capitals.
    Hold,
    /// Panics.
    Panic,
    /// Puts another response in the place of the upstream's.
    Replace,
}

#[derive(Debug)]
struct TestFilter {
    name: &'static str,
    does: Does,
    calls: Calls,
}

#[derive(Debug, Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn note(&self, call: String) {
        self.0.lock().unwrap().push(call);
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl HttpFilter for TestFilter {
    fn takes_part_in(&self, phase: Phase) -> bool {
        phase != Phase::ResponseHeaders || !matches!(self.does, Does::Hold | Does::Respond)
    }

    fn on_stream(&self) -> Box<dyn StreamFilter> {
        Box::new(OnStream { name: self.name, does: self.does, calls: self.calls.clone() })
    }
}

struct OnStream {
    name: &'static str,
    does: Does,
    calls: Calls,
}

impl OnStream {
    fn mark(&self, phase: Phase, context: &mut FilterContext<'_>) {
        let head = if phase == Phase::ResponseHeaders { &mut context.response } else { &mut context.request };
        let name = HeaderName::new(b"x-mark").unwrap();
        assert!(head.append_name(&name, self.name.as_bytes()));
    }
}

fn forbidden() -> LocalReply<'static> {
    LocalReply { status: 403, body: (&b"no"[..]).into(), details: "test".into(), ..LocalReply::default() }
}

/// Done at the second poll.
fn soon() -> Answer {
    Answer::Wait(Box::pin(tokio::task::yield_now()))
}

impl StreamFilter for OnStream {
    fn on_request_headers(&mut self, context: &mut FilterContext<'_>) -> Answer {
        self.calls.note(format!("{} request", self.name));
        match self.does {
            Does::Mark | Does::Replace => self.mark(Phase::RequestHeaders, context),
            Does::Respond => return Answer::Respond(forbidden()),
            Does::Wait => return soon(),
            Does::Hold if !context.end_stream => return Answer::StopIteration,
            Does::Hold => {}
            Does::Panic => panic!("a filter of a test panics"),
        }
        Answer::Continue
    }

    fn on_request_data(&mut self, context: &mut FilterContext<'_>) -> Answer {
        if !context.end_stream {
            return Answer::StopIteration;
        }
        context.body.make_ascii_uppercase();
        context.body.extend_from_slice(b"!");
        Answer::Continue
    }

    fn on_response_headers(&mut self, context: &mut FilterContext<'_>) -> Answer {
        self.calls.note(format!("{} response", self.name));
        match self.does {
            Does::Wait => return soon(),
            Does::Replace => return Answer::Respond(forbidden()),
            _ => self.mark(Phase::ResponseHeaders, context),
        }
        Answer::Continue
    }

    fn resume(&mut self, phase: Phase, context: &mut FilterContext<'_>) -> Answer {
        self.calls.note(format!("{} resumed", self.name));
        self.mark(phase, context);
        Answer::Continue
    }

    fn on_stream_complete(&mut self, info: &StreamInfo) {
        self.calls.note(format!("{} complete {:?}", self.name, info.response_code));
    }
}

fn chain(filters: &[(&'static str, Does)]) -> (Vec<NamedFilter>, Calls) {
    let calls = Calls::default();
    let named = |&(name, does): &(&'static str, Does)| {
        let filter = TestFilter { name, does, calls: calls.clone() };
        NamedFilter::custom(name, name == "off", Box::new(filter))
    };
    (filters.iter().map(named).collect(), calls)
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// One request through the filters; answers what the upstream got, what the client got, and the calls.
async fn exchange(filters: &[(&'static str, Does)], request: &str) -> (Option<String>, String, Vec<String>) {
    let (filters, calls) = chain(filters);
    let rig = Rig::new(&connection_manager(), filters).await;
    let mut client = rig.connect().await;
    write(&mut client, request).await;
    let seen = Rc::new(RefCell::new(None));
    let end = if request.ends_with("\r\n\r\n") { "\r\n\r\n" } else { "!" };
    let serve = async {
        let (mut socket, _) = rig.upstream.accept().await.unwrap();
        *seen.borrow_mut() = Some(read_until(&mut socket, end).await);
        write(&mut socket, OK).await;
        std::future::pending::<()>().await;
    };
    let response = tokio::select! {
        response = read_all(&mut client) => response,
        () = serve => unreachable!("the upstream never ends"),
    };
    let request = seen.borrow_mut().take();
    (request, response, calls.taken())
}

#[test]
fn requests_meet_filters_in_order_and_responses_in_reverse() {
    run(async {
        let (request, response, calls) = exchange(&[("a", Does::Mark), ("b", Does::Mark)], GET).await;
        assert_eq!(
            calls,
            [
                "a request",
                "b request",
                "b response",
                "a response",
                "a complete Some(200)",
                "b complete Some(200)"
            ]
        );
        let request = request.unwrap();
        assert!(
            request.contains("x-mark: a\r\nx-mark: b\r\n") || request.contains("x-mark: a,b\r\n"),
            "{request}"
        );
        assert!(
            response.contains("x-mark: b\r\nx-mark: a\r\n") || response.contains("x-mark: b,a"),
            "{response}"
        );
    });
}

#[test]
fn a_filter_that_waits_is_resumed() {
    run(async {
        let (request, response, calls) = exchange(&[("w", Does::Wait), ("m", Does::Mark)], GET).await;
        assert_eq!(calls[..3], ["w request", "w resumed", "m request"]);
        assert!(request.unwrap().contains("x-mark: "));
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    });
}

#[test]
fn a_local_reply_ends_the_walk() {
    run(async {
        let (request, response, calls) = exchange(&[("r", Does::Respond), ("m", Does::Mark)], GET).await;
        assert_eq!(request, None);
        assert!(response.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{response}");
        assert!(response.ends_with("\r\n\r\nno"), "{response}");
        assert_eq!(calls[0], "r request");
        assert!(!calls.contains(&"m request".to_owned()));
    });
}

#[test]
fn a_response_can_be_replaced() {
    run(async {
        let (request, response, _) = exchange(&[("r", Does::Replace)], GET).await;
        assert!(request.is_some());
        assert!(response.starts_with("HTTP/1.1 403 Forbidden\r\n") && response.ends_with("no"), "{response}");
    });
}

#[test]
fn a_held_body_goes_on_as_the_filter_left_it() {
    run(async {
        let request = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
        let (request, response, _) = exchange(&[("h", Does::Hold)], request).await;
        let request = request.unwrap();
        assert!(
            request.contains("content-length: 6\r\n") && request.ends_with("\r\n\r\nHELLO!"),
            "{request}"
        );
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    });
}

#[test]
fn a_body_that_is_too_large_to_be_held_is_refused() {
    run(async {
        let (filters, _) = chain(&[("h", Does::Hold)]);
        let mut model = connection_manager();
        model.route_config.virtual_hosts[0].routes[0].request_body_buffer_limit_bytes = Some(4);
        let rig = Rig::new(&model, filters).await;
        let mut client = rig.connect().await;
        write(&mut client, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello").await;
        let response = read_all(&mut client).await;
        assert!(response.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{response}");
    });
}

#[test]
fn routes_turn_filters_off_and_on() {
    run(async {
        let (filters, calls) = chain(&[("off", Does::Mark), ("on", Does::Mark), ("other", Does::Mark)]);
        let mut model = connection_manager();
        let said = |filter_name: &str, disabled| RouteFilterConfig {
            filter_name: filter_name.to_owned(),
            disabled,
            config: None,
        };
        let host = &mut model.route_config.virtual_hosts[0];
        host.filter_config = vec![said("on", true), said("other", true)];
        host.routes[0].filter_config = vec![said("other", false)];
        let rig = Rig::new(&model, filters).await;
        let mut client = rig.connect().await;
        write(&mut client, GET).await;
        let (mut upstream, _) = rig.upstream.accept().await.unwrap();
        read_until(&mut upstream, "\r\n\r\n").await;
        write(&mut upstream, OK).await;
        read_all(&mut client).await;
        assert_eq!(calls.taken(), ["other request", "other response", "other complete Some(200)"]);
    });
}

#[test]
fn a_panic_ends_its_connection_alone() {
    run(async {
        let (filters, _) = chain(&[("p", Does::Panic)]);
        let rig = Rig::new(&connection_manager(), filters).await;
        for count in 1..=2u64 {
            let mut client = rig.connect().await;
            write(&mut client, GET).await;
            assert_eq!(read_all(&mut client).await, "");
            let panics =
                rig.worker.process.server.value(ferryman_dataplane::stats::ServerStat::EnvoyBugFailures);
            assert_eq!(panics, count);
            let http = rig.worker.process.registry.http("ingress_http");
            assert_eq!(http.value(ferryman_dataplane::stats::HttpStat::DownstreamRqActive), 0);
        }
    });
}

#[test]
fn a_client_that_waits_for_100_gets_it_before_a_filter_holds_its_body() {
    run(async {
        let (filters, _) = chain(&[("h", Does::Hold)]);
        let rig = Rig::new(&connection_manager(), filters).await;
        let mut client = rig.connect().await;
        write(&mut client, "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
            .await;
        assert_eq!(read_until(&mut client, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
        write(&mut client, "hello").await;
        let (mut upstream, _) = rig.upstream.accept().await.unwrap();
        let request = read_until(&mut upstream, "HELLO!").await;
        assert!(!request.contains("100-continue"), "{request}");
        write(&mut upstream, OK).await;
        let response = read_until(&mut client, "ok").await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    });
}

#[test]
fn a_filter_is_told_of_a_stream_that_is_cut_short() {
    run(async {
        let (filters, calls) = chain(&[("m", Does::Mark)]);
        let rig = Rig::new(&connection_manager(), filters).await;
        let (mut client, task) = rig.connect_with_task().await;
        write(&mut client, GET).await;
        let (mut upstream, _) = rig.upstream.accept().await.unwrap();
        read_until(&mut upstream, "\r\n\r\n").await;
        task.abort();
        assert_eq!(read_all(&mut client).await, "");
        assert_eq!(calls.taken(), ["m request", "m complete None"]);
        assert_eq!(read_all(&mut upstream).await, "", "the exchange is over too");
    });
}
