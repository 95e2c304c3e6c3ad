//! The way of a body through the filters that transform it.
//!
//! Owns: the order of the stages, their outputs, and when which filter is called with what. Does not own: what a filter does
//! (`filters::http::body`), where the bytes come from and go to (`transformed_body`, `exchange`).
//! Follows Envoy's page "Flow control".
//!
//! It is pulled: who writes to the socket asks the last stage, which asks the one before it only when it has nothing left to
//! give, and so on up to the source. So a stage holds one output of a fixed size, and a peer that does not read stops the
//! source. A stream without such filters has no stages; its bytes go from socket to socket as if this were not here.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use ferryman_codec::HeaderBlock;

use crate::buffer::BlockPool;
use crate::filters::http::body::{BodyAnswer, BodyInput, BodyOutput, BodyRefusal, pass_on};
use crate::http_codec::BodyReader;

/// Where the body comes from.
pub(crate) trait BodySource {
    /// Why it may break off.
    type Error: From<BodyRefusal>;
    /// Ready once `data` is not empty or the body has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;
    /// What there is; when it is empty after `poll`, the body has ended.
    fn data(&self) -> &[u8];
    /// Takes the first bytes away.
    fn consume(&mut self, count: usize);
    /// What follows the body that has ended; none: nothing can.
    fn trailers(&self) -> Option<&HeaderBlock>;
}

/// Calls the filter at a place of the stream's list.
pub(crate) trait CallFilter {
    /// Hands it a piece of the body.
    fn call(&mut self, filter: usize, input: BodyInput<'_>, output: &mut BodyOutput) -> BodyAnswer;
    /// Shows a filter that only looks on a piece that leaves the source.
    fn show(&mut self, filter: usize, data: &[u8]);
}

/// One filter's place on the way of a body.
struct Stage {
    /// Its place in the stream's list. None: no filter; what was held here passes on, and all else behind it.
    filter: Option<usize>,
    output: BodyOutput,
    /// What it waits for.
    waiting: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// Whether it took bytes since it was last told of a pause.
    keeps: bool,
    /// Whether its output must be taken before it is called again.
    is_full: bool,
    /// Whether nothing comes after its output.
    has_ended: bool,
    /// Why its filter lets nothing more pass.
    refused: Option<BodyRefusal>,
}

/// The stages of one body, in the order in which bytes meet them.
#[derive(Debug, Default)]
pub struct BodyPipeline {
    stages: Vec<Stage>,
    /// The filters that look on at what leaves the source, before all stages.
    onlookers: Vec<usize>,
    /// What follows the body, as the filters leave it; none before the end.
    trailers: Option<HeaderBlock>,
}

impl BodyPipeline {
    /// Whether the body goes through any filter.
    #[inline]
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.stages.is_empty()
    }

    /// Adds a filter, by its place in the stream's list. `held`: what has come through all stages so far and was held.
    pub fn add(&mut self, filter: usize, held: Vec<u8>) {
        if !held.is_empty() {
            self.stages.push(Stage::new(None, BodyOutput::holding(held)));
        }
        self.stages.push(Stage::new(Some(filter), BodyOutput::new()));
    }

    /// Adds a filter that only looks on: without a copy where none before it transforms the body.
    pub fn add_onlooker(&mut self, filter: usize, held: Vec<u8>) {
        if self.is_active() || !held.is_empty() {
            self.add(filter, held);
        } else {
            self.onlookers.push(filter);
        }
    }

    /// A body that is all there: what was held of it, and what follows it.
    pub(super) fn holding(body: Vec<u8>, trailers: HeaderBlock) -> Self {
        let stages = vec![Stage::new(None, BodyOutput::holding(body))];
        BodyPipeline { stages, onlookers: Vec::new(), trailers: Some(trailers) }
    }

    /// The filters that are to be shown what is consumed; none where the stages' own calls show it.
    #[inline]
    #[must_use]
    pub fn onlookers(&self) -> &[usize] {
        if self.is_active() { &[] } else { &self.onlookers }
    }

    /// Takes all filters off the way, and what they hold.
    #[inline]
    pub fn clear(&mut self) {
        if self.is_active() || !self.onlookers.is_empty() {
            *self = BodyPipeline::default();
        }
    }

    /// What follows the body that has ended; none where no filter saw its end.
    pub(super) fn take_trailers(&mut self) -> Option<HeaderBlock> {
        self.trailers.take()
    }

    /// The bytes that are there: of the last stage, or of the connection where there is none.
    #[inline]
    #[must_use]
    pub fn data<'a>(&'a self, codec: &'a impl BodyReader) -> &'a [u8] {
        match self.stages.last() {
            None => codec.data(),
            Some(last) => last.output.data(),
        }
    }

    /// Whether the body is complete and all of it was consumed.
    #[inline]
    #[must_use]
    pub fn is_ended(&self, codec: &impl BodyReader) -> bool {
        match self.stages.last() {
            None => codec.is_ended(),
            Some(last) => last.is_ended(),
        }
    }

    /// Whether the body is complete: no more will come than is there.
    #[must_use]
    pub fn is_whole(&self, codec: &impl BodyReader) -> bool {
        match self.stages.last() {
            None => codec.is_whole(),
            Some(last) => last.has_ended,
        }
    }

    /// Takes the first bytes of `data` away.
    #[inline]
    pub fn consume(&mut self, count: usize, codec: &mut impl BodyReader, blocks: &BlockPool) {
        match self.stages.last_mut() {
            None => codec.consume(count, blocks),
            Some(last) => last.output.consume(count),
        }
    }

    /// What the last stage has written.
    pub(super) fn output(&self) -> &[u8] {
        self.stages.last().map(|last| last.output.data()).unwrap_or_default()
    }

    /// Takes the first bytes of `output` away.
    pub(super) fn consume_output(&mut self, count: usize) {
        if let Some(last) = self.stages.last_mut() {
            last.output.consume(count);
        }
    }

    /// Ready once the last stage has written something or the body has ended.
    pub(super) fn poll<S: BodySource>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut S,
        filters: &mut impl CallFilter,
    ) -> Poll<Result<(), S::Error>> {
        poll_stages(&mut self.stages, cx, source, &mut (filters, &mut self.trailers, &self.onlookers))
    }
}

/// Ready once the last of these stages has written something or has ended. What it can write without waiting is gathered,
/// as far as its output has room.
fn poll_stages<S: BodySource>(
    stages: &mut [Stage],
    cx: &mut Context<'_>,
    source: &mut S,
    called: &mut (&mut impl CallFilter, &mut Option<HeaderBlock>, &[usize]),
) -> Poll<Result<(), S::Error>> {
    let Some((stage, before)) = stages.split_last_mut() else { return source.poll(cx) };
    if !stage.output.is_empty() {
        return Poll::Ready(Ok(()));
    }
    while !stage.has_ended && !stage.is_full && stage.refused.is_none() {
        if let Some(waiting) = &mut stage.waiting {
            if waiting.as_mut().poll(cx).is_pending() {
                return if stage.output.is_empty() { Poll::Pending } else { Poll::Ready(Ok(())) };
            }
            stage.waiting = None;
        }
        let polled = poll_stages(before, cx, source, called);
        if !matches!(polled, Poll::Ready(Ok(()))) {
            if stage.keeps && stage.refused.is_none() {
                stage.call(BodyInput::Pause, called.0);
                continue;
            }
            // What came before a failure goes on; whoever takes it asks again and hears of the failure then.
            return if stage.output.is_empty() { polled } else { Poll::Ready(Ok(())) };
        }
        let data = before.last().map_or_else(|| source.data(), |before| before.output.data());
        let taken = if data.is_empty() {
            let trailers = called.1.get_or_insert_with(|| source.trailers().cloned().unwrap_or_default());
            stage.call(BodyInput::End(trailers), called.0)
        } else {
            stage.call(BodyInput::Data(data), called.0)
        };
        if before.is_empty() {
            let data = source.data().get(..taken).unwrap_or_default();
            called.2.iter().filter(|_| taken > 0).for_each(|&onlooker| called.0.show(onlooker, data));
        }
        match before.last_mut() {
            None => source.consume(taken),
            Some(before) => before.output.consume(taken),
        }
    }
    stage.is_full = false;
    match stage.refused {
        // What was written before goes on; whoever takes it asks again.
        Some(refusal) if stage.output.is_empty() => Poll::Ready(Err(refusal.into())),
        _ => Poll::Ready(Ok(())),
    }
}

impl Stage {
    fn new(filter: Option<usize>, output: BodyOutput) -> Self {
        Stage { filter, output, waiting: None, keeps: false, is_full: false, has_ended: false, refused: None }
    }

    fn is_ended(&self) -> bool {
        self.has_ended && self.output.is_empty()
    }

    /// Hands it a piece; answers how many bytes it took.
    fn call(&mut self, input: BodyInput<'_>, filters: &mut impl CallFilter) -> usize {
        let offered = if let BodyInput::Data(data) = &input { data.len() } else { 0 };
        let (is_pause, is_end) = (matches!(input, BodyInput::Pause), matches!(input, BodyInput::End(_)));
        let answer = match self.filter {
            Some(filter) => filters.call(filter, input, &mut self.output),
            None => pass_on(input, &mut self.output),
        };
        match answer {
            BodyAnswer::Took(count) => {
                self.keeps |= count > 0;
                self.is_full = count < offered && !self.output.is_empty();
                return count;
            }
            BodyAnswer::Done => {
                self.keeps &= !is_pause;
                self.has_ended |= is_end;
            }
            BodyAnswer::Full => self.is_full = !self.output.is_empty(),
            BodyAnswer::Wait(until) => self.waiting = Some(until),
            BodyAnswer::Refuse(refusal) => self.refused = Some(refusal),
        }
        0
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("filter", &self.filter).field("has_ended", &self.has_ended).finish()
    }
}

#[cfg(test)]
#[path = "body_pipeline_tests.rs"]
mod tests;
