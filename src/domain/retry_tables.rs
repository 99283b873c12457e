//! When what fails is tried again, and what is said of it.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{
    failure::{Class, Failure},
    reason::Reason,
    retry::{Attempt, Attempts, Call, Moment, Now, Slot, Waits, back_off, comes_back},
};
use crate::api::{Aspect, PendingAction};

const REST: Waits = Waits {
    rest: Duration::from_mins(30),
    rota: Duration::from_hours(8),
};
const PUT: Call = Call {
    slot: Slot::Aspect(Aspect::LifecyclePolicy),
    operation: "PutLifecyclePolicy",
};
const GET: Call = Call {
    slot: Slot::Document(Aspect::LifecyclePolicy),
    operation: "GetLifecyclePolicy",
};
const LOOK: Call = Call {
    slot: Slot::Look,
    operation: "DescribeRepositories",
};

fn failure(class: Class) -> Failure {
    Failure {
        class,
        said: "no".to_owned(),
    }
}

fn at(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

/// The process began an hour after the epoch, by the wall clock.
fn now(seconds: u64) -> Now {
    let wall = Timestamp::from_second(3600 + i64::try_from(seconds).unwrap()).unwrap();
    Now {
        moment: at(seconds),
        wall,
    }
}

fn fails<'a>(
    attempts: &'a mut Attempts,
    call: Call,
    request: &str,
    class: Class,
    seconds: u64,
) -> &'a Attempt {
    attempts.failed(call, request, failure(class), now(seconds), 1.0, REST)
}

fn is_free(attempts: &mut Attempts, call: Call, request: &str, seconds: u64) -> bool {
    attempts.holding_back(call, request, at(seconds)).is_none()
}

/// Another process, which knows what this one said.
fn restarted(told: &Attempt, call: Call, seconds: u64) -> Attempts {
    let pending = PendingAction {
        aspect: call.slot.aspect(),
        action: call.operation.to_owned(),
        reason: told.told.reason.to_string(),
        message: Some(told.told.message.clone()),
        since: told.told.since.map(|it| it.to_string()),
    };
    let mut attempts = Attempts::default();
    let words = (told.told.reason.as_str(), told.told.message.as_str());
    let stalled = told.told.stalled.then_some(words);
    attempts.inherit(&[pending], stalled, now(seconds).wall);
    attempts
}

#[test]
fn back_off_doubles_is_bounded_and_jittered() {
    let longest = Duration::from_mins(5);
    assert_eq!(back_off(0, 1.0), Duration::from_secs(1));
    assert_eq!(back_off(3, 1.0), Duration::from_secs(8));
    assert_eq!(back_off(3, 0.0), Duration::from_secs(4));
    assert_eq!(back_off(u32::MAX, 1.0), longest);
}

#[test]
fn what_is_throttled_ten_times_has_waited_half_a_minute_and_in_the_end_it_waits_as_long_as_others()
{
    let mut attempts = Attempts::default();
    let mut seconds = 0;
    let mut wait = |class| {
        let due = fails(&mut attempts, PUT, "a", class, seconds).due;
        let wait = at(seconds).until(due).as_secs();
        seconds += wait;
        wait
    };
    let first: Vec<_> = (0..10).map(|_| wait(Class::Throttled)).collect();
    assert_eq!(first, [1, 1, 1, 2, 2, 2, 4, 4, 4, 8]);
    assert_eq!((0..30).map(|_| wait(Class::Throttled)).last(), Some(300));
    assert_eq!(wait(Class::Unavailable), 300);
}

#[test]
fn what_aws_calls_invalid_rests_at_once() {
    let mut attempts = Attempts::default();
    assert!(
        fails(&mut attempts, PUT, "a", Class::Invalid, 0)
            .told
            .stalled
    );
    assert!(!is_free(&mut attempts, PUT, "a", 1799));
    assert!(is_free(&mut attempts, PUT, "a", 1800));
    assert!(
        is_free(&mut attempts, PUT, "b", 1),
        "another request is free"
    );
}

#[test]
fn a_denied_call_asks_for_help_after_five_minutes_and_goes_on() {
    let mut attempts = Attempts::default();
    for seconds in [0, 299] {
        let attempt = fails(&mut attempts, PUT, "a", Class::Denied, seconds);
        assert!(!attempt.told.stalled, "{seconds}");
    }
    let attempt = fails(&mut attempts, PUT, "a", Class::Denied, 300);
    assert!(attempt.told.stalled);
    assert!(attempt.due < at(300 + 300));
}

/// Back-off alone would have come back at 63, 127, 255 and 511 seconds.
#[test]
fn the_verdict_comes_when_patience_ends_and_not_with_the_next_long_wait() {
    let mut attempts = Attempts::default();
    let (mut seconds, mut tries) = (0, 0);
    while !fails(&mut attempts, PUT, "a", Class::PolicyRefused, seconds)
        .told
        .stalled
    {
        let due = attempts.dues().min().unwrap();
        seconds = due.0.as_secs();
        tries += 1;
    }
    assert_eq!(seconds, 600);
    assert!(tries < 13, "{tries}");
}

#[test]
fn it_is_news_that_a_person_is_asked() {
    let mut attempts = Attempts::default();
    let mut message = |class, seconds| {
        let told = &fails(&mut attempts, PUT, "a", class, seconds).told;
        (told.stalled, told.message.clone())
    };
    let heals = message(Class::Denied, 0);
    let ripe = message(Class::Denied, 300);
    assert_eq!((heals.0, ripe.0), (false, true));
    assert_eq!(ripe.1, format!("{} (for over 5 minutes)", heals.1));
    assert_eq!(message(Class::Denied, 600), ripe, "and no news afterwards");
    let invalid = message(Class::Invalid, 600);
    assert!(!invalid.1.contains("minutes"), "{}", invalid.1);
}

#[test]
fn a_document_that_aws_alters_waits_for_the_rota() {
    let mut attempts = Attempts::default();
    let attempt = fails(&mut attempts, PUT, "a", Class::Altered, 0);
    assert!(attempt.told.stalled);
    assert_eq!(attempt.due, at(8 * 3600));
}

#[test]
fn a_refused_policy_has_ten_minutes_from_the_first_refusal_of_that_document() {
    let mut attempts = Attempts::default();
    fails(&mut attempts, PUT, "a", Class::PolicyRefused, 0);
    let other = fails(&mut attempts, PUT, "b", Class::PolicyRefused, 700);
    assert!(!other.told.stalled);
    assert_eq!(other.due, at(701), "the other document starts afresh");
    assert!(
        fails(&mut attempts, PUT, "b", Class::PolicyRefused, 1300)
            .told
            .stalled
    );
}

#[test]
fn an_outage_never_asks_for_a_person() {
    let mut attempts = Attempts::default();
    for hour in 0..100 {
        let attempt = fails(&mut attempts, LOOK, "", Class::Unavailable, hour * 3600);
        assert!(!attempt.told.stalled);
    }
}

#[test]
fn time_goes_on_through_restarts_and_a_person_who_was_asked_is_asked_still() {
    let mut attempts = Attempts::default();
    let young = fails(&mut attempts, PUT, "a", Class::PolicyRefused, 0).clone();
    let mut attempts = restarted(&young, PUT, 400);
    let attempt = fails(&mut attempts, PUT, "a", Class::PolicyRefused, 400);
    assert_eq!(attempt.told, young.told, "no news");
    let mut attempts = restarted(&young, PUT, 600);
    let ripe = fails(&mut attempts, PUT, "a", Class::PolicyRefused, 600).clone();
    assert_eq!(ripe.told.reason, Reason::InvalidPolicy);
    assert_eq!(ripe.told.since, young.told.since);
    let mut attempts = restarted(&ripe, PUT, 601);
    assert_eq!(
        fails(&mut attempts, PUT, "a", Class::PolicyRefused, 601).told,
        ripe.told
    );
    // What heals by itself says nothing of it, before or after.
    let mut attempts = restarted(&ripe, PUT, 602);
    for (class, seconds) in [(Class::Throttled, 602), (Class::PolicyRefused, 603)] {
        assert_eq!(
            fails(&mut attempts, PUT, "a", class, seconds).told,
            ripe.told
        );
    }
    attempts.succeeded(PUT);
    assert!(
        !fails(&mut attempts, PUT, "a", Class::PolicyRefused, 700)
            .told
            .stalled
    );
}

#[test]
fn what_is_told_elsewhere_is_not_inherited() {
    let mut attempts = Attempts::default();
    let young = fails(&mut attempts, PUT, "a", Class::Denied, 0).clone();
    let mut attempts = restarted(&young, PUT, 400);
    let delete = Call {
        operation: "DeleteLifecyclePolicy",
        ..PUT
    };
    assert!(
        !fails(&mut attempts, delete, "a", Class::Denied, 400)
            .told
            .stalled
    );
    assert!(
        fails(&mut attempts, PUT, "a", Class::Denied, 400)
            .told
            .stalled
    );
    // A time to come, by a clock that was wrong, makes nobody wait longer.
    let mut attempts = Attempts::default();
    let later = fails(&mut attempts, PUT, "a", Class::Denied, 1000).clone();
    let mut attempts = restarted(&later, PUT, 0);
    let told = &fails(&mut attempts, PUT, "a", Class::Denied, 0).told;
    assert_eq!(told.since, Some(now(0).wall));
}

#[test]
fn a_request_tries_again_at_once_and_makes_nothing_young() {
    let mut attempts = Attempts::default();
    for seconds in [0, 1, 3, 7, 300] {
        fails(&mut attempts, PUT, "a", Class::Denied, seconds);
    }
    attempts.begins();
    attempts.hasten();
    assert!(is_free(&mut attempts, PUT, "a", 301));
    let attempt = fails(&mut attempts, PUT, "a", Class::Denied, 301);
    assert!(attempt.told.stalled);
    assert_eq!(attempt.due, at(301 + 32), "as seldom as before");
}

#[test]
fn operations_of_one_aspect_fail_by_themselves() {
    let [tag, untag] = ["TagResource", "UntagResource"].map(|operation| Call {
        slot: Slot::Aspect(Aspect::Tags),
        operation,
    });
    let mut attempts = Attempts::default();
    for seconds in [0, 10, 20, 299, 300] {
        for call in [tag, untag] {
            let attempt = fails(&mut attempts, call, call.operation, Class::Denied, seconds);
            assert_eq!(attempt.told.stalled, seconds == 300, "{call:?} {seconds}");
        }
    }
    attempts.succeeded(tag);
    assert!(is_free(&mut attempts, tag, "TagResource", 301));
    assert!(!is_free(&mut attempts, untag, "UntagResource", 301));
}

#[test]
fn a_read_says_nothing_of_the_write() {
    let mut attempts = Attempts::default();
    for seconds in [0, 300] {
        fails(&mut attempts, PUT, "a", Class::Denied, seconds);
    }
    fails(&mut attempts, GET, "", Class::Throttled, 310);
    assert!(attempts.asked_for(PUT).is_some());
    attempts.succeeded(GET);
    assert!(
        fails(&mut attempts, PUT, "a", Class::Denied, 320)
            .told
            .stalled
    );
}

/// Thousands of objects whose policies can't be read do not live at the pace of the bucket.
#[test]
fn a_document_that_can_not_be_read_is_tried_ever_more_seldom() {
    let mut attempts = Attempts::default();
    let mut seconds = 0;
    for _ in 0..20 {
        let due = fails(&mut attempts, GET, "", Class::Denied, seconds).due;
        seconds = due.0.as_secs().max(seconds + 1);
    }
    let last = fails(&mut attempts, GET, "", Class::Denied, seconds).due;
    assert_eq!(at(seconds).until(last), Duration::from_hours(1));
}

#[test]
fn success_and_change_clear_the_way() {
    let mut attempts = Attempts::default();
    fails(&mut attempts, PUT, "a", Class::Invalid, 0);
    fails(&mut attempts, LOOK, "", Class::Throttled, 0);
    assert_eq!(attempts.dues().min(), Some(at(1)));
    attempts.looked();
    assert_eq!(attempts.dues().min(), Some(at(1800)));
    attempts.forget();
    assert_eq!(attempts.dues().min(), None);
}

#[test]
fn what_a_pass_does_not_meet_is_none_of_its_business() {
    let mut attempts = Attempts::default();
    for call in [PUT, GET] {
        fails(&mut attempts, call, "a", Class::Throttled, 0);
    }
    attempts.begins();
    assert_eq!(attempts.dues().min(), None, "a pass that got nowhere");
    assert!(!is_free(&mut attempts, PUT, "a", 0));
    assert_eq!(attempts.dues().min(), Some(at(1)));
    attempts.went_through();
    assert!(is_free(&mut attempts, GET, "a", 0), "that is over");
    assert!(!is_free(&mut attempts, PUT, "a", 0));
    attempts.begins();
    attempts.keep(PUT);
    attempts.went_through();
    assert!(!is_free(&mut attempts, PUT, "a", 0));
}

/// A write failed, and at its next time the read that comes before it does.
#[test]
fn what_is_not_reached_does_not_hide_what_is_due() {
    let mut attempts = Attempts::default();
    fails(&mut attempts, PUT, "a", Class::Unavailable, 0);
    attempts.begins();
    assert!(is_free(&mut attempts, PUT, "a", 2));
    let due = fails(&mut attempts, GET, "", Class::Unavailable, 2).due;
    attempts.keep(PUT);
    let resync = Duration::from_mins(5);
    let comes = comes_back(at(2), at(2), resync, attempts.dues());
    assert_eq!(comes, at(2).until(due));
}

#[test]
fn what_was_due_before_the_pass_began_is_not_waited_for() {
    let resync = Duration::from_mins(5);
    let comes = |dues: &[u64]| comes_back(at(100), at(102), resync, dues.iter().copied().map(at));
    assert_eq!(comes(&[]), resync);
    assert_eq!(comes(&[50, 100]), resync);
    assert_eq!(comes(&[50, 110]), Duration::from_secs(8));
    assert_eq!(comes(&[101]), Duration::from_millis(50));
    assert_eq!(comes(&[5000]), resync);
}
