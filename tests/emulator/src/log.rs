//! The log, kept small: inputs and answers are kept as text, because as values those of a hundred
//! thousand calls took half a gigabyte more.

use serde_json::Value;

use crate::world::Call;

/// The calls, in the order in which they took effect.
#[derive(Debug, Default)]
pub(crate) struct Log(Vec<Line>);

/// A call without input and answer, and those as text.
#[derive(Debug)]
struct Line {
    call: Call,
    input: Box<str>,
    answer: Box<str>,
}

impl Log {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn push(&mut self, mut call: Call) {
        let input = call.input.take().to_string().into();
        let answer = call.answer.as_mut().map_or(Value::Null, Value::take);
        self.0.push(Line {
            call,
            input,
            answer: answer.to_string().into(),
        });
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.0.iter().map(Line::call).collect()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Line {
    fn call(&self) -> Call {
        // We wrote it, so it can be read.
        let read = |text: &str| serde_json::from_str(text).unwrap_or_default();
        let mut call = self.call.clone();
        call.input = read(&self.input);
        call.answer = call.answer.map(|_| read(&self.answer));
        call
    }
}
