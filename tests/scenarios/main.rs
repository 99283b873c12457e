//! Scenarios: the operator as a process of its own, under its own service account, against a real API
//! server and the ECR emulator. Each ends with the invariants of `world::invariants`.
//!
//! How other operators and tools fail the users of a single repository, and what shows that this one
//! does not (`tests/house/peers.rs` holds the names):
//!
//! | failure elsewhere | scenario |
//! |---|---|
//! | one refused setting stops all that come after it | `refusals::what_aws_refuses_is_said_and_the_rest_is_done` |
//! | what AWS calls invalid is sent for ever | `refusals::what_aws_refused_is_tried_again_when_spec_changes` |
//! | some calls leave out the account | `creation::every_call_names_the_account` |
//! | an empty scanning block ends the process | `adopters::adopting_takes_nothing_away_that_is_not_declared` |
//! | a change of encryption is ignored, and all looks well | `adopters::another_encryption_is_said_and_nothing_is_made_anew` |
//! | another name makes a second repository and leaves the first | `identity::a_name_may_be_corrected_until_the_repository_exists`, `identity::a_corrected_name_leaves_nothing_of_ours_behind` |
//! | what was adopted and is gone stays Synced | `adopters::what_was_adopted_and_is_gone_is_told_and_comes_back` |
//! | another account or region shows in the log alone | `identity::the_binding_decides_and_not_the_operators_credentials_or_region` |
//! | adopting deletes the policies that are not declared | `adopters::adopting_takes_nothing_away_that_is_not_declared` |
//! | the order of exclusion filters, lifecycle rules and lists makes endless changes | `words::the_same_meaning_in_ten_other_wordings_is_no_drift` |
//! | principals in another order and account ids as ARNs make endless changes | `words::the_same_meaning_in_ten_other_wordings_is_no_drift` |
//! | the operator's own status writes make it run in circles | `restart::restarted_with_nothing_changed_it_only_looks` |
//! | a change in a list of tag patterns goes unseen | `words::what_only_looks_the_same_is_drift` |
//! | images go with the object though nobody said so | `deletion::retained_is_the_default_and_asks_nothing_of_aws`, `deletion::images_keep_the_repository_until_they_are_deleted_outside` |
//! | an object with images in its repository hangs without a way out | `deletion::a_waiting_object_goes_at_once_when_its_images_may_go_too`, `deletion::a_waiting_object_goes_at_once_when_it_is_told_to_retain` |
//! | a namespace hangs in Terminating | `deletion::a_deleted_namespace_takes_what_may_go_and_waits_for_nothing_else`, `deletion_changes::a_namespace_waits_for_images_until_retain_lets_it_go` |
//! | drift stays for hours, or until a restart | `drift::each_aspect_that_was_changed_outside_is_repaired_and_told` |
//! | a rebuilt cluster meets "already exists" everywhere | `identity::a_rebuilt_cluster_writes_its_uid_once`, `ownership::an_object_that_is_made_anew_has_its_repository_back` |
//! | permitting an adoption later has no effect | `adopters::a_flip_of_what_is_permitted_acts_at_once` |
//! | adopting once, then "exists" again | `ownership::an_operator_that_was_killed_while_it_adopted_waits_all_the_same` |
//! | half-made after a call failed, and nobody's from then on | `restart::killed_after_any_call_of_a_creation_it_ends_the_same`, `faults::a_lost_answer_to_any_write_of_a_creation_is_harmless` |
//! | a crash between creation and status makes it "exist already" | `kubernetes::what_was_created_and_could_not_be_saved_is_created_once` |
//! | in some combinations a setting is not there after the creation | `creation::every_combination_of_settings_is_there_after_the_creation` |
//! | a lifecycle policy cannot be changed, or is gone in between | `aspects::each_aspect_is_created_and_a_change_of_it_is_one_write` |
//! | a principal that is very new is an error for good | `refusals::a_principal_that_is_very_new_is_waited_for` |
//! | a wrong action or a Resource in a policy says nothing of use | `invalid::what_the_operator_refuses_is_not_sent_and_the_rest_is_done` |
//! | AWS is called without end, and throttles | `bad_day::one_call_of_ten_fails_and_all_of_it_converges`, `faults::a_throttled_creation_heals_and_costs_few_calls` |
//! | what is terminal is silent and never tried again | `refusals::what_aws_refuses_is_said_and_the_rest_is_done` |
//! | a policy that somebody else wrote goes with an unrelated change | `drift::what_is_not_ours_is_left_alone`, `adopters::adopting_takes_nothing_away_that_is_not_declared` |
//! | tags of others are removed | `tags::tags_are_added_changed_and_dropped_and_foreign_ones_survive` |
//! | tags are not written after an adoption | `ownership::adopting_changes_our_tags_and_then_only_what_is_declared` |

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod dice;
mod looking;
mod picture;
mod queries;
mod samples;
mod world;

mod adopters;
mod answers;
mod approvals;
mod aspects;
mod bad_day;
mod bad_input;
mod class_changes;
mod class_refusals;
mod class_tags;
mod classes;
mod creation;
mod dashboard;
mod definition;
mod deletion;
mod deletion_changes;
mod drift;
mod faults;
mod fights;
mod forgeries;
mod gaps;
mod guardrails;
mod identity;
mod image;
mod installation;
mod invalid;
mod kept;
mod kubernetes;
mod lag;
mod large;
mod leader;
mod loops;
mod loss;
mod lost_tags;
mod manifests;
mod metrics;
mod modes;
mod moments;
mod observing;
mod older;
mod ownership;
mod pacing;
mod process;
mod proof;
mod real_documents;
mod refusals;
mod restart;
mod restored;
mod rights;
mod roles;
mod secrets;
mod surroundings;
mod sweeps;
mod tags;
mod takeover;
mod tenancy;
mod tenants;
mod unwatched;
mod upgrades;
mod waiting;
mod words;
