//! What a person is asked before images go, and what an answer permits.

use proptest::prelude::*;

use super::super::{Allowance, Case, Guarded, Preview, answered, guard, needs_approval};
use crate::api::{ApprovalState, LifecycleApproval};

fn preview(expiring: u64, archiving: u64) -> Preview {
    Preview {
        expiring,
        archiving,
    }
}

fn case(policy: &str) -> Case {
    Case {
        object: "uid".to_owned(),
        place: "111122223333/eu-central-1/payments/api".to_owned(),
        class: "class 1".to_owned(),
        policy: policy.to_owned(),
    }
}

fn asked(expiring: u64, archiving: u64, state: ApprovalState) -> LifecycleApproval {
    let counts = preview(expiring, archiving);
    let images = Some("12 images".to_owned());
    let at = "2026-01-01T00:00:00Z".to_owned();
    LifecycleApproval {
        state,
        ..case("policy").ask(counts, images, at)
    }
}

#[test]
fn a_policy_goes_within_its_limit_or_by_an_answer_to_no_less() {
    use ApprovalState::{Approved, Spent, Waiting};
    let shown = |expiring, archiving, state| Some(asked(expiring, archiving, state));
    for (most, fresh, shown, becomes) in [
        (0, preview(0, 0), None, Guarded::Goes),
        (0, preview(1, 0), None, Guarded::Asks),
        (0, preview(0, 1), None, Guarded::Asks),
        (5, preview(5, 0), None, Guarded::Goes),
        (5, preview(3, 3), None, Guarded::Asks),
        (0, preview(6, 1), shown(6, 1, Waiting), Guarded::Waits),
        (0, preview(5, 0), shown(6, 1, Waiting), Guarded::Waits),
        (0, preview(6, 1), shown(6, 1, Approved), Guarded::Goes),
        (0, preview(5, 1), shown(6, 1, Approved), Guarded::Goes),
        (0, preview(7, 0), shown(6, 1, Approved), Guarded::Asks),
        (0, preview(6, 2), shown(6, 1, Approved), Guarded::Asks),
        (0, preview(7, 1), shown(6, 1, Waiting), Guarded::Asks),
        (0, preview(6, 1), shown(6, 1, Spent), Guarded::Asks),
        (9, preview(7, 1), shown(6, 1, Spent), Guarded::Goes),
        (0, preview(u64::MAX, u64::MAX), None, Guarded::Asks),
    ] {
        let guarded = guard(most, fresh, shown.as_ref());
        assert_eq!(guarded, becomes, "{most} {fresh:?} {shown:?}");
    }
}

/// Each thing that a question speaks of, changed.
fn changed() -> Vec<(Case, LifecycleApproval)> {
    let question = || asked(6, 1, ApprovalState::Approved);
    let of_case = |change: &dyn Fn(&mut Case)| {
        let mut case = case("policy");
        change(&mut case);
        (case, question())
    };
    let of_question = |change: &dyn Fn(&mut LifecycleApproval)| {
        let mut question = question();
        change(&mut question);
        (case("policy"), question)
    };
    vec![
        of_case(&|it| it.object.push('2')),
        of_case(&|it| it.place.push('2')),
        of_case(&|it| it.class = "class 2".to_owned()),
        of_case(&|it| it.policy.push('2')),
        of_question(&|it| it.expiring += 50),
        of_question(&|it| it.archiving += 1),
        of_question(&|it| it.images = None),
        of_question(&|it| it.at = "2026-01-01T00:00:01Z".to_owned()),
        of_question(&|it| it.policy.push('2')),
        of_question(&|it| it.token.clear()),
        of_question(&|it| it.state = ApprovalState::Spent),
    ]
}

#[test]
fn an_answer_is_to_one_question_alone() {
    assert!(case("policy").is_asked_by(&asked(6, 1, ApprovalState::Approved)));
    assert!(case("policy").is_asked_by(&asked(6, 1, ApprovalState::Waiting)));
    for (case, question) in changed() {
        assert!(!case.is_asked_by(&question), "{case:?} {question:?}");
    }
}

/// What takes annotations away has no say; who sets another value does.
#[test]
fn an_answer_holds_until_another_one_takes_it_back() {
    use ApprovalState::{Approved, Spent, Waiting};
    let token = asked(6, 1, Waiting).token;
    for (state, annotated, becomes) in [
        (Waiting, None, Waiting),
        (Waiting, Some("no"), Waiting),
        (Waiting, Some(&*token), Approved),
        (Approved, None, Approved),
        (Approved, Some(&*token), Approved),
        (Approved, Some("no"), Waiting),
        (Approved, Some(""), Waiting),
        (Spent, None, Spent),
        (Spent, Some("no"), Spent),
        (Spent, Some(&*token), Spent),
    ] {
        let stands = answered(&asked(6, 1, state), annotated);
        assert_eq!(stands, becomes, "{state:?} {annotated:?}");
    }
}

proptest! {
    /// What was asked at another moment has another token, whatever else is the same.
    #[test]
    fn no_token_comes_again(moments in proptest::collection::hash_set(0..1_000_000_u32, 2)) {
        let tokens = moments.iter().map(|at| {
            case("policy").ask(preview(1, 0), None, at.to_string()).token
        });
        let tokens: std::collections::BTreeSet<_> = tokens.collect();
        prop_assert_eq!(tokens.len(), 2);
    }

    #[test]
    fn nothing_goes_beyond_both_the_limit_and_what_was_shown(
        (most, fresh, shown, state) in (0..20_u64, (0..20_u64, 0..20_u64), (0..20_u64, 0..20_u64), 0..3)
    ) {
        let state = [ApprovalState::Waiting, ApprovalState::Approved, ApprovalState::Spent]
            .into_iter().cycle().nth(usize::try_from(state).unwrap()).unwrap();
        let question = asked(shown.0, shown.1, state);
        let goes = guard(most, preview(fresh.0, fresh.1), Some(&question)) == Guarded::Goes;
        let within = fresh.0 + fresh.1 <= most;
        let allowed = state == ApprovalState::Approved && fresh.0 <= shown.0 && fresh.1 <= shown.1;
        prop_assert_eq!(goes, within || allowed);
    }
}

fn message(question: &LifecycleApproval, of_class: bool, annotated: Option<&str>) -> String {
    let allowance = Allowance { most: 0, of_class };
    let refusal = needs_approval(question, allowance, ("payments", "api"), annotated);
    assert_eq!(refusal.reason.as_str(), "LifecycleNeedsApproval");
    refusal.message
}

#[test]
fn the_danger_comes_first_and_then_the_command() {
    let none = |question| LifecycleApproval {
        images: None,
        ..question
    };
    let waiting = ApprovalState::Waiting;
    for (question, of_class, begins) in [
        (
            asked(9, 0, waiting),
            true,
            "Would delete 9 of 12 images here: the class's lifecycle policy, ",
        ),
        (
            asked(9, 0, waiting),
            false,
            "Would delete 9 of 12 images here: spec.lifecyclePolicy, ",
        ),
        (
            asked(0, 3, waiting),
            true,
            "Would archive 3 of 12 images here: ",
        ),
        (
            asked(9, 3, waiting),
            true,
            "Would delete 9 and archive 3 of 12 images here: ",
        ),
        (
            none(asked(9, 0, waiting)),
            true,
            "Would delete 9 images here: ",
        ),
        (
            none(asked(1, 0, waiting)),
            true,
            "Would delete 1 image here: ",
        ),
    ] {
        let told = message(&question, of_class, None);
        assert!(told.starts_with(begins), "{told}");
        let command = format!(
            "kubectl annotate --overwrite --field-manager=ecr-approval ecrrepo/api -n payments \
             ecr-operator.dev/approve-lifecycle={}",
            question.token
        );
        assert!(told.ends_with(&command), "{told}");
        assert_eq!(message(&question, of_class, Some(&question.token)), told);
        let other = message(&question, of_class, Some("another"));
        assert!(other.starts_with(&told) && other.ends_with("permits nothing"));
    }
}

#[test]
fn the_longest_message_fits() {
    let question = LifecycleApproval {
        images: Some("more than 1000 images".to_owned()),
        ..asked(u64::MAX, u64::MAX, ApprovalState::Waiting)
    };
    let allowance = Allowance {
        most: u64::MAX,
        of_class: true,
    };
    let (namespace, name) = ("n".repeat(63), "n".repeat(128));
    let told = needs_approval(&question, allowance, (&namespace, &name), Some("other"));
    assert!(told.message.len() <= 1024 - 40, "{}", told.message.len());
}
