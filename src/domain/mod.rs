//! The pure core: what is wanted, what is there, what is to be written, what is to be said.
//!
//! No I/O, no clock and no async in here: time and dice are passed in, and everything can be tried
//! in a test without a cluster.

pub mod action;
pub mod answer;
pub mod class;
pub mod conditions;
pub mod definitions;
pub mod desired;
mod digest;
pub mod drift;
pub mod event;
pub mod failure;
pub mod identity;
pub mod in_force;
pub mod kms;
pub mod lifecycle;
pub mod loss;
mod near;
pub mod observed;
mod operations;
pub mod ownership;
pub mod plan;
pub mod policy;
pub mod reason;
pub mod retry;
pub mod rota;
pub mod setting;
pub mod status;
mod tag_steps;
mod text;
pub mod turns;
mod wildcard;

#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
mod desired_refusals;
#[cfg(test)]
mod desired_tables;
#[cfg(test)]
mod ecr_model;
#[cfg(test)]
mod event_tables;
#[cfg(test)]
mod failure_tables;
#[cfg(test)]
mod plan_aspects;
#[cfg(test)]
mod plan_laws;
#[cfg(test)]
mod plan_limits;
#[cfg(test)]
mod plan_reach;
#[cfg(test)]
mod retry_laws;
#[cfg(test)]
mod retry_tables;
#[cfg(test)]
mod status_records;
#[cfg(test)]
mod status_rules;
#[cfg(test)]
mod status_tables;
