//! Bodies cut anywhere and taken slowly.

use std::task::Waker;

use proptest::prelude::*;

use super::*;
use crate::filters::http::body::OUTPUT_BYTES;

/// What a filter of these tests makes of a body.
#[derive(Debug, Clone, Copy)]
enum Does {
    /// Twice as many bytes.
    Doubles,
    /// The same bytes; up to so many are kept until a pause.
    Keeps(usize),
    /// The same bytes; waits before each second piece.
    Waits,
    /// All of it, backwards, at the end.
    Reverses,
    /// More than fits at once at the end.
    Appends,
}

struct Filter {
    does: Does,
    kept: Vec<u8>,
    calls: usize,
}

fn bit_by_bit(kept: &mut Vec<u8>, output: &mut BodyOutput) -> BodyAnswer {
    let count = output.push(kept);
    kept.drain(..count);
    if kept.is_empty() { BodyAnswer::Done } else { BodyAnswer::Full }
}

impl CallFilter for Vec<Filter> {
    fn show(&mut self, filter: usize, data: &[u8]) {
        self[filter].kept.extend_from_slice(data);
    }

    fn call(&mut self, filter: usize, input: BodyInput<'_>, output: &mut BodyOutput) -> BodyAnswer {
        let Filter { does, kept, calls } = &mut self[filter];
        *calls += 1;
        match (*does, input) {
            (Does::Doubles, BodyInput::Data(data)) => {
                let count = data.len().min(output.room().len() / 2);
                data[..count].iter().for_each(|&byte| assert_eq!(output.push(&[byte, byte]), 2));
                BodyAnswer::Took(count)
            }
            (Does::Keeps(most), BodyInput::Data(data)) => {
                if kept.len() > most {
                    bit_by_bit(kept, output);
                    return BodyAnswer::Took(0);
                }
                let count = data.len().min(OUTPUT_BYTES);
                kept.extend_from_slice(&data[..count]);
                BodyAnswer::Took(count)
            }
            (Does::Keeps(_), BodyInput::Pause) => bit_by_bit(kept, output),
            (Does::Waits, BodyInput::Data(_)) if *calls % 2 == 1 => {
                BodyAnswer::Wait(Box::pin(tokio::task::yield_now()))
            }
            (Does::Reverses, BodyInput::Data(data)) => {
                data.iter().for_each(|&byte| kept.insert(0, byte));
                BodyAnswer::Took(data.len())
            }
            (Does::Appends, BodyInput::End(trailers)) if !trailers.is_empty() => {
                kept.resize(OUTPUT_BYTES * 2 + 1, b'!');
                trailers.clear();
                bit_by_bit(kept, output)
            }
            (_, BodyInput::End(_)) => bit_by_bit(kept, output),
            (_, input) => pass_on(input, output),
        }
    }
}

fn made_of(does: &[Does], body: &[u8]) -> Vec<u8> {
    does.iter().fold(body.to_vec(), |body, does| match does {
        Does::Doubles => body.iter().flat_map(|&byte| [byte, byte]).collect(),
        Does::Keeps(_) | Does::Waits => body,
        Does::Reverses => body.into_iter().rev().collect(),
        Does::Appends => [body, vec![b'!'; OUTPUT_BYTES * 2 + 1]].concat(),
    })
}

/// Pieces with pauses between.
struct Pieces(Vec<Vec<u8>>, bool, HeaderBlock);

impl BodySource for Pieces {
    type Error = BodyRefusal;
    fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BodyRefusal>> {
        let is_over = self.0.first().is_some_and(Vec::is_empty);
        if is_over {
            self.0.remove(0);
            self.1 = !self.1;
        }
        if is_over && self.1 { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
    fn data(&self) -> &[u8] {
        self.0.first().map(Vec::as_slice).unwrap_or_default()
    }
    fn consume(&mut self, count: usize) {
        self.0.first_mut().into_iter().for_each(|piece| drop(piece.drain(..count)));
    }
    fn trailers(&self) -> Option<&HeaderBlock> {
        Some(&self.2)
    }
}

fn any_filter() -> impl Strategy<Value = Does> {
    let keeps = (0..40_000_usize).prop_map(Does::Keeps);
    prop_oneof![Just(Does::Doubles), keeps, Just(Does::Waits), Just(Does::Reverses), Just(Does::Appends)]
}

proptest! {
    /// However a body is cut, and however slowly it is taken, the same comes out, and no stage holds more than its
    /// output.
    #[test]
    fn the_same_comes_out_of_any_pieces(
        does in prop::collection::vec(any_filter(), 1..4),
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..3000), 0..12),
        takes in 1..50_000_usize,
        held in prop::collection::vec(any::<u8>(), 0..20_000),
    ) {
        let mut filters: Vec<_> = does.iter().map(|&does| Filter { does, kept: Vec::new(), calls: 0 }).collect();
        let mut pipeline = BodyPipeline::default();
        (0..does.len()).for_each(|index| pipeline.add(index, if index == 0 { held.clone() } else { Vec::new() }));
        let body = [held, pieces.concat()].concat();
        let mut trailers = HeaderBlock::new();
        trailers.append(ferryman_codec::KnownName::UserAgent, b"a");
        let mut source = Pieces(pieces, false, trailers);
        let mut cx = Context::from_waker(Waker::noop());
        let mut out = Vec::new();
        // The first filter that looks takes the trailers away.
        let expected = match does.iter().position(|does| matches!(does, Does::Appends)) {
            Some(first) => {
                let rest: Vec<_> = does[first + 1..].iter().copied().filter(|d| !matches!(d, Does::Appends)).collect();
                made_of(&rest, &made_of(&does[..=first], &body))
            }
            None => made_of(&does, &body),
        };
        for _ in 0..1_000_000 {
            match pipeline.poll(&mut cx, &mut source, &mut filters) {
                Poll::Pending => continue,
                Poll::Ready(result) => result.unwrap(),
            }
            for stage in pipeline.stages.iter().filter(|stage| stage.filter.is_some()) {
                prop_assert!(stage.output.data().len() <= OUTPUT_BYTES);
            }
            if pipeline.output().is_empty() { break }
            let count = takes.min(pipeline.output().len());
            out.extend_from_slice(&pipeline.output()[..count]);
            pipeline.consume_output(count);
        }
        prop_assert_eq!(out, expected);
    }
}

/// Who only looks on sees what the first stage takes, once.
#[test]
fn onlookers_see_what_leaves_the_source() {
    let mut filters = vec![
        Filter { does: Does::Appends, kept: Vec::new(), calls: 0 },
        Filter { does: Does::Doubles, kept: Vec::new(), calls: 0 },
    ];
    let mut pipeline = BodyPipeline::default();
    pipeline.add_onlooker(0, Vec::new());
    assert_eq!((pipeline.onlookers(), pipeline.is_active()), (&[0][..], false));
    pipeline.add(1, Vec::new());
    assert!(pipeline.onlookers().is_empty(), "the stages show it");
    let mut source = Pieces(vec![b"abc".to_vec(), b"de".to_vec()], false, HeaderBlock::new());
    let polled = pipeline.poll(&mut Context::from_waker(Waker::noop()), &mut source, &mut filters);
    assert!(matches!(polled, Poll::Ready(Ok(()))));
    assert_eq!((&filters[0].kept[..], pipeline.output()), (&b"abcde"[..], &b"aabbccddee"[..]));
}
