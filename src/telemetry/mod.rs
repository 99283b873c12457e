//! What operators of the operator see: logs, metrics and traces. A leaf: it knows nothing of the rest.

mod health;
mod lines;
mod logs;
mod metrics;
mod requests;
mod traces;
mod words;

pub use health::Health;
pub use logs::{Levels, LogFormat, init as init_logs, plain, read_levels};
pub use metrics::{Each, Kind, Metrics, OK, One, OneLabels, Outcome, Place, Shown, Sight, Work};
pub use requests::CountRequests;
pub use traces::{Traces, call_span};
pub use words::{api_error, chain, innermost, numbered};
