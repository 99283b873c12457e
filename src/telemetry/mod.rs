//! What operators of the operator see: logs and metrics. A leaf: it knows nothing of the rest.

mod health;
mod logs;
mod metrics;

pub use health::Health;
pub use logs::{LogFormat, init as init_logs};
pub use metrics::Metrics;
