//! AWS: the port through which the rest sees ECR, and the adapter that speaks to it.
//!
//! Nothing outside of this folder names a type of the AWS SDK.

mod aws;
mod bounded;
mod clients;
mod codes;
mod convert;
mod credentials;
mod endpoints;
mod error;
mod fence;
mod hidden;
mod lookups;
mod own;
mod pacing;
mod patience;
mod port;
mod proof;
mod said;
mod snapshot;
mod sweep;
mod write;

pub use aws::Aws;
pub use clients::{Access, AwsClients, Clients};
pub use endpoints::{check as check_endpoints, is_address};
pub use fence::{Closed, Fence, Open, Permit, fenced};
pub use pacing::Turn;
pub use port::{Ecr, ImageCount, Preview, Swept, Tagged};
pub use proof::{LONGEST_WRITE, Proof};
pub use snapshot::{Glance, Sight, Snapshot};
