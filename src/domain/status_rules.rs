//! The rules of kstatus and of Flux's condition check
//! (<https://github.com/fluxcd/pkg/tree/main/runtime/conditions/check>) hold after every pass,
//! whatever came before it.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{
    reason::Reason,
    status::{LONGEST_MESSAGE, Problem, Standing, conclude},
};
use crate::api::{AppliedAspect, Aspect, ConditionType, ECRRepositoryStatus as Status};

/// Texts as AWS and users may put them, long ones and evil ones too.
fn message() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[A-Za-z ]{0,20}",
        1 => "\\PC{0,30}",
        1 => any::<String>(),
        1 => "[é☃a]{900,1100}",
        1 => Just("\u{202e}\u{1b}[2J\r\n\u{2028}\u{feff}".to_owned()),
    ]
}

prop_compose! {
    fn problem(stalled: impl Strategy<Value = bool>)(
        aspect in option::of(select(Aspect::ALL.to_vec())),
        action in select(vec!["CreateRepository", "TagResource", "PutLifecyclePolicy"]),
        reason in select(Reason::ALL.to_vec()),
        message in message(),
        stalled in stalled,
    ) -> Problem {
        Problem { aspect, action, reason, message, stalled }
    }
}

fn problems() -> impl Strategy<Value = Vec<Problem>> {
    vec(problem(any::<bool>()), 0..4)
}

fn standing() -> impl Strategy<Value = Standing> {
    let observed = (
        vec(problem(Just(false)), 0..3),
        vec(problem(Just(false)), 0..3),
        problems(),
    );
    prop_oneof![
        Just(Standing::Beginning),
        problems().prop_map(Standing::Enforced),
        observed.prop_map(|(needed, planned, problems)| Standing::Observed {
            needed,
            planned,
            problems,
        }),
        any::<bool>().prop_map(|undone| Standing::Suspended { undone }),
    ]
}

/// One pass: how it ended, and by how much generation and time went on before it.
#[derive(Clone, Debug)]
struct Ended {
    standing: Standing,
    edits: i64,
    seconds: i64,
}

fn passes() -> impl Strategy<Value = Vec<Ended>> {
    let ended = (standing(), 0_i64..2, 0_i64..3).prop_map(|(standing, edits, seconds)| Ended {
        standing,
        edits,
        seconds,
    });
    vec(ended, 1..8)
}

/// What the API server puts in place of an absent status.
fn untouched() -> Status {
    Status {
        observed_generation: Some(-1),
        ..Status::default()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn find(status: &Status, type_: ConditionType) -> Option<&Condition> {
    status.conditions.iter().find(|c| c.type_ == type_.as_str())
}

fn is_true(status: &Status, type_: ConditionType) -> bool {
    find(status, type_).is_some_and(|c| c.status == "True")
}

/// kstatus, in its order of steps; deletion apart.
fn kstatus(status: &Status, generation: i64) -> &'static str {
    if status
        .observed_generation
        .is_some_and(|seen| seen != generation)
    {
        return "InProgress";
    }
    for condition in status.conditions.iter().filter(|c| c.status == "True") {
        match condition.type_.as_str() {
            "Reconciling" => return "InProgress",
            "Stalled" => return "Failed",
            _ => {}
        }
    }
    match find(status, ConditionType::Ready) {
        Some(ready) if ready.status != "True" => "InProgress",
        Some(_) | None => "Current",
    }
}

/// FAIL0001 to FAIL0011, and that what is abnormal is there only while it is true.
fn check(status: &Status, generation: i64) -> Result<(), TestCaseError> {
    use ConditionType::{Accepted, Ready, Reconciling, Stalled, Synced};
    let ready = is_true(status, Ready);
    let abnormal = [Reconciling, Stalled].map(|type_| find(status, type_).is_some());
    let is_abnormal = abnormal.contains(&true);
    prop_assert!(!(ready && is_abnormal), "FAIL0001, 3 and 4");
    for type_ in [Ready, Accepted, Synced] {
        prop_assert!(find(status, type_).is_some(), "FAIL0002: {}", type_);
    }
    prop_assert_ne!(abnormal, [true, true], "FAIL0005");
    prop_assert_eq!(
        status.observed_generation,
        Some(generation),
        "FAIL0006 to 9"
    );
    for condition in &status.conditions {
        prop_assert_eq!(
            condition.observed_generation,
            Some(generation),
            "FAIL0006 to 9"
        );
        prop_assert!(
            ["True", "False"].contains(&condition.status.as_str()),
            "FAIL0011"
        );
        let abnormal = ["Reconciling", "Stalled"].contains(&condition.type_.as_str());
        prop_assert!(
            !abnormal || condition.status == "True",
            "{} is left over",
            condition.type_
        );
        prop_assert!(
            condition.message.len() <= LONGEST_MESSAGE,
            "{}",
            condition.message.len()
        );
        prop_assert!(
            !condition.message.chars().any(char::is_control),
            "{:?}",
            condition.message
        );
        prop_assert!(Reason::ALL.iter().any(|it| it.as_str() == condition.reason));
    }
    let order: Vec<_> = ConditionType::ALL.map(ConditionType::as_str).to_vec();
    let mut types: Vec<_> = status.conditions.iter().map(|c| c.type_.as_str()).collect();
    prop_assert!(types.is_sorted_by_key(|type_| order.iter().position(|it| it == type_)));
    types.dedup();
    prop_assert_eq!(types.len(), status.conditions.len());
    for pending in &status.pending {
        let message = pending.message.as_deref().unwrap_or_default();
        prop_assert!(message.len() <= LONGEST_MESSAGE && !message.chars().any(char::is_control));
    }
    Ok(())
}

/// What a standing means to kstatus.
fn meaning(standing: &Standing) -> &'static str {
    match standing {
        Standing::Enforced(problems) | Standing::Observed { problems, .. }
            if problems.iter().any(|problem| problem.stalled) =>
        {
            "Failed"
        }
        Standing::Enforced(problems) | Standing::Observed { problems, .. }
            if problems.is_empty() =>
        {
            "Current"
        }
        Standing::Suspended { undone: false } => "Current",
        Standing::Beginning
        | Standing::Enforced(_)
        | Standing::Observed { .. }
        | Standing::Suspended { undone: true } => "InProgress",
    }
}

/// Conditions and all that `conclude` may write, blanked.
fn rest(status: &Status) -> Status {
    Status {
        conditions: Vec::new(),
        pending: Vec::new(),
        suspended_since: None,
        observed_generation: None,
        ..status.clone()
    }
}

/// As the API server gives it back.
fn stored(status: &Status) -> Status {
    serde_json::from_str(&serde_json::to_string(status).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn the_rules_hold_after_every_pass(passes in passes()) {
        let (mut status, mut generation, mut now) = (untouched(), 1, 0);
        status.arn = Some("arn".to_owned());
        status.working_memory.applied = vec![AppliedAspect { aspect: Aspect::Tags, hash: "x".to_owned() }];
        for Ended { standing, edits, seconds } in passes {
            (generation, now) = (generation + edits, now + seconds);
            let before = status.clone();
            let expected = meaning(&standing);
            conclude(&mut status, standing, generation, at(now));
            check(&status, generation)?;
            prop_assert_eq!(kstatus(&status, generation), expected);
            prop_assert_eq!(kstatus(&status, generation + 1), "InProgress");
            prop_assert_eq!(rest(&status), rest(&before));
        }
    }

    #[test]
    fn a_pass_that_finds_nothing_new_writes_nothing(passes in passes(), later in 0_i64..9999) {
        let mut status = untouched();
        for Ended { standing, .. } in passes {
            conclude(&mut status, standing.clone(), 1, at(0));
            let mut again = stored(&status);
            prop_assert_eq!(&again, &status, "the API server keeps all of it");
            conclude(&mut again, standing, 1, at(later));
            prop_assert_eq!(&again, &status);
        }
    }

    #[test]
    fn times_move_with_the_status_of_a_condition_alone(passes in passes()) {
        let (mut status, mut generation, mut now) = (untouched(), 1, 0);
        for Ended { standing, edits, seconds } in passes {
            (generation, now) = (generation + edits, now + seconds);
            let before = status.clone();
            conclude(&mut status, standing, generation, at(now));
            for condition in &status.conditions {
                let last = before.conditions.iter().find(|c| c.type_ == condition.type_);
                let same = last.filter(|last| last.status == condition.status);
                let since = same.map_or(Time(at(now)), |last| last.last_transition_time.clone());
                prop_assert_eq!(&condition.last_transition_time, &since, "{}", condition.type_);
            }
        }
    }

    #[test]
    fn what_needs_a_person_is_said_first(problems in problems().prop_filter("some", |it| !it.is_empty())) {
        let mut status = untouched();
        conclude(&mut status, Standing::Enforced(problems.clone()), 1, at(0));
        let worst = problems.iter().find(|it| it.stalled).unwrap_or(&problems[0]);
        let sign = if worst.stalled { ConditionType::Stalled } else { ConditionType::Reconciling };
        for type_ in [ConditionType::Ready, ConditionType::Synced, sign] {
            let condition = find(&status, type_).unwrap();
            prop_assert_eq!(&condition.reason, worst.reason.as_str());
            let more = problems.len() > 1;
            prop_assert_eq!(condition.message.ends_with("more in status.pending)"), more);
        }
        let refused = problems.iter().find(|it| it.reason.is_refusal());
        let accepted = find(&status, ConditionType::Accepted).unwrap();
        prop_assert_eq!(accepted.status == "True", refused.is_none());
        prop_assert_eq!(&accepted.reason, refused.map_or("Accepted", |it| it.reason.as_str()));
        let listed: Vec<_> = status.pending.iter().map(|it| (it.aspect, it.reason.clone())).collect();
        let expected: Vec<_> = problems.iter().map(|it| (it.aspect, it.reason.to_string())).collect();
        prop_assert_eq!(listed, expected);
    }
}
