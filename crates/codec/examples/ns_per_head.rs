//! Prints what a head costs: nanoseconds to decode, to decode, edit and encode, and httparse beside it.
//! `cargo run --release -p ferryman-codec --example ns_per_head [what it begins with]`

use std::hint::black_box;
use std::time::Instant;

use ferryman_codec::{
    BodyDecoder, BodyFraming, HeaderBlock, Http1Settings, KnownName, RequestDecoder, RequestKind,
    ResponseDecoder, Version, encode_request_head, encode_response_head,
};

const SMALL: &[u8] = b"GET /index.html HTTP/1.1\r\nHost: 127.0.0.1:10000\r\n\r\n";

const TYPICAL: &[u8] = b"GET /api/v1/items/12345?fields=name,price&page=2 HTTP/1.1\r\n\
Host: shop.example.com\r\nUser-Agent: curl/8.5.0\r\nAccept: application/json\r\n\
Accept-Encoding: gzip, deflate\r\nX-Request-Id: 7b5c1f3e-93a5-4f0e-8a9f-0c2d7cbb1c11\r\n\
Authorization: Bearer abcdefghijklmnopqrstuvwxyz\r\nX-Tenant: blue\r\n\r\n";

const BROWSER: &[u8] = b"GET /wp-content/uploads/2010/03/hello-kitty-darth-vader-pink.jpg HTTP/1.1\r\n\
Host: www.kittyhell.com\r\n\
User-Agent: Mozilla/5.0 (Macintosh; U; Intel Mac OS X 10.6; ja-JP-mac; rv:1.9.2.3) Gecko/20100401 Firefox/3.6.3\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
Accept-Language: ja,en-us;q=0.7,en;q=0.3\r\nAccept-Encoding: gzip,deflate\r\n\
Accept-Charset: Shift_JIS,utf-8;q=0.7,*;q=0.7\r\nKeep-Alive: 115\r\nConnection: keep-alive\r\n\
Cookie: wp_ozh_wsa_visits=2; wp_ozh_wsa_visit_lasttime=xxxxxxxxxx; \
__utma=xxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.x; \
__utmz=xxxxxxxxx.xxxxxxxxxx.x.x.utmccn=(referral)|utmcsr=reader.livedoor.com|utmcct=/reader/|utmcmd=referral\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 08:00:00 GMT\r\n\
Content-Type: application/json\r\nContent-Length: 27\r\nConnection: keep-alive\r\n\
Cache-Control: no-store\r\nETag: \"5e-60f1a2b3\"\r\nVary: Accept-Encoding\r\n\r\n";

/// The median of several rounds, in nanoseconds per call.
fn nanoseconds(mut work: impl FnMut()) -> f64 {
    const CALLS: u32 = 200_000;
    let mut rounds = [0.0; 9];
    for round in &mut rounds {
        let start = Instant::now();
        for _ in 0..CALLS {
            work();
        }
        *round = start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS);
    }
    rounds.sort_by(f64::total_cmp);
    rounds.get(4).copied().unwrap_or_default()
}

/// Measures unless another case was asked for.
fn report(what: &str, bytes: &[u8], work: impl FnMut()) {
    if std::env::args().nth(1).is_none_or(|wanted| what.starts_with(&wanted)) {
        println!("{what:<52} {:>5} bytes {:>8.1} ns", bytes.len(), nanoseconds(work));
    }
}

fn requests(name: &str, bytes: &[u8]) {
    let settings = Http1Settings::default();
    let (mut decoder, mut block, mut out) = (RequestDecoder::new(), HeaderBlock::new(), Vec::new());
    report(&format!("{name}: decode"), bytes, || {
        black_box(decoder.decode(black_box(bytes), &settings, &mut block)).ok();
    });
    report(&format!("{name}: encode"), bytes, || {
        out.clear();
        encode_request_head(black_box(&block), BodyFraming::None, &mut out).ok();
        black_box(&out);
    });
    report(&format!("{name}: decode, edit as a proxy, encode"), bytes, || {
        out.clear();
        let head = decoder.decode(black_box(bytes), &settings, &mut block);
        block.remove(KnownName::Connection);
        block.remove(KnownName::KeepAlive);
        block.set(KnownName::XForwardedProto, b"http");
        block.set(KnownName::XRequestId, b"7b5c1f3e-93a5-4f0e-8a9f-0c2d7cbb1c11");
        block.set(KnownName::XEnvoyExpectedRqTimeoutMs, b"15000");
        encode_request_head(&block, BodyFraming::None, &mut out).ok();
        black_box((&out, head)).1.ok();
    });
    report(&format!("{name}: httparse, for comparison"), bytes, || {
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut request = httparse::Request::new(&mut headers);
        black_box(request.parse(black_box(bytes))).ok();
        black_box(&request);
    });
}

fn responses() {
    let settings = Http1Settings::default();
    let (mut decoder, mut block, mut out) = (ResponseDecoder::new(), HeaderBlock::new(), Vec::new());
    report("response: decode", RESPONSE, || {
        black_box(decoder.decode(black_box(RESPONSE), &settings, RequestKind::Other, &mut block)).ok();
    });
    report("response: decode, edit as a proxy, encode", RESPONSE, || {
        out.clear();
        let head = decoder.decode(black_box(RESPONSE), &settings, RequestKind::Other, &mut block);
        block.remove(KnownName::Connection);
        block.set(KnownName::XEnvoyUpstreamServiceTime, b"0");
        block.set(KnownName::Server, b"envoy");
        encode_response_head(&block, BodyFraming::Length(27), Version::Http11, &mut out).ok();
        black_box((&out, head)).1.ok();
    });
}

fn chunks() {
    let mut body = Vec::new();
    for _ in 0..16 {
        body.extend_from_slice(b"400\r\n");
        body.extend_from_slice(&[b'x'; 1024]);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    let settings = Http1Settings::default();
    let mut decoder = BodyDecoder::new(BodyFraming::Chunked, &settings);
    report("16 chunks of 1 KiB: decode", &body, || {
        decoder.begin(BodyFraming::Chunked, &settings);
        let mut rest = black_box(body.as_slice());
        while let Ok(step) = decoder.decode(rest) {
            black_box(&step.data);
            rest = rest.get(step.consumed..).unwrap_or_default();
            if step.end {
                break;
            }
        }
    });
}

fn main() {
    requests("small request", SMALL);
    requests("typical request", TYPICAL);
    requests("browser's request", BROWSER);
    responses();
    chunks();
}
