//! Long polling: a call that waits until there is something to receive.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::world::{Inner, Request, Service, World};

/// For how long a request waits for something to come, and how soon something comes by itself.
struct Patience {
    seconds: u64,
    next: Option<Duration>,
}

impl World {
    /// Long polling: an empty queue is answered when something comes, or the time is over. The bell
    /// says when to look again; what comes by itself, with the virtual clock, is looked for then.
    pub(crate) async fn wait_for_messages(&self, request: &Request) {
        if request.service != Service::Sqs {
            return;
        }
        let bell = Arc::clone(&self.lock().queues.bell);
        let began = Instant::now();
        loop {
            let mut rings = pin!(bell.notified());
            rings.as_mut().enable();
            let Some(patience) = self.lock().patience(request) else {
                return;
            };
            let end = began + Duration::from_secs(patience.seconds);
            if Instant::now() >= end {
                return;
            }
            let next = patience.next.map_or(end, |wait| Instant::now() + wait);
            // Either is a reason to look again.
            let _ = tokio::time::timeout_at(next.min(end), rings).await;
        }
    }
}

impl Inner {
    /// None: the request has no reason to wait.
    fn patience(&mut self, request: &Request) -> Option<Patience> {
        let (Service::Sqs, Ok(caller), Ok(input)) =
            (request.service, &request.caller, &request.input)
        else {
            return None;
        };
        self.pass_time();
        let now = self.clock.now();
        let call = (caller, request.operation.as_str(), input);
        let patience = self.queues.patience(call, (now, &self.settings))?;
        let due = self.next_due().into_iter().chain(patience.next);
        let next = due.min_by(f64::total_cmp).filter(|_| !self.clock.is_held());
        Some(Patience {
            seconds: patience.seconds,
            // A little more than nothing, so that what is rounded has come then.
            next: next.map(|at| Duration::from_secs_f64((at - now).clamp(0.001, 60.0))),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    use serde_json::{Value, json};

    use super::*;
    use crate::caller::Caller;
    use crate::clock::Movement;
    use crate::world::Reply;

    const ACCOUNT: &str = "111122223333";

    /// Says whether somebody was woken.
    #[derive(Default)]
    struct Alarm(AtomicBool);

    impl Wake for Alarm {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    fn caller() -> Caller {
        Caller::of(ACCOUNT.to_owned(), "eu-central-1".to_owned())
    }

    /// A world whose clock stands still, with a queue.
    fn world() -> Arc<World> {
        let world = Arc::new(World::default());
        let mut inner = world.lock();
        inner.settings.queues.insert("events".to_owned());
        let hold = Movement {
            hold: Some(true),
            ..Movement::default()
        };
        inner.turn_clock(hold).unwrap();
        drop(inner);
        world
    }

    fn poll() -> Request {
        let url = format!("http://emulator/{ACCOUNT}/events");
        Request {
            service: Service::Sqs,
            operation: "ReceiveMessage".to_owned(),
            caller: Ok(caller()),
            user_agent: String::new(),
            host: "emulator".to_owned(),
            input: Ok(json!({ "QueueUrl": url, "WaitTimeSeconds": 20 })),
        }
    }

    fn create(world: &World) {
        let input = json!({ "repositoryName": "api" });
        let created = world.lock().apply(&caller(), "CreateRepository", &input);
        created.unwrap();
    }

    fn advance(world: &World, seconds: f64) {
        let movement = Movement {
            advance_seconds: seconds,
            ..Movement::default()
        };
        world.lock().turn_clock(movement).unwrap();
    }

    /// One look at a call; the alarm says whether it was woken since the last.
    fn look(call: Pin<&mut impl Future<Output = Reply>>, alarm: &Arc<Alarm>) -> Option<Value> {
        alarm.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(alarm));
        match call.poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => None,
            Poll::Ready(Reply::Answer(answer)) => Some(answer.unwrap()),
            Poll::Ready(other) => panic!("{other:?}"),
        }
    }

    /// Whoever waits is woken by what the steps do, and has a message after the last of them.
    fn is_woken_by(world: &Arc<World>, steps: &[&dyn Fn(&World)]) {
        let alarm = Arc::new(Alarm::default());
        let mut call = pin!(world.serve(poll()));
        for step in steps {
            assert_eq!(look(call.as_mut(), &alarm), None);
            assert!(!alarm.0.load(Ordering::SeqCst));
            step(world);
            assert!(alarm.0.load(Ordering::SeqCst), "nobody was woken");
        }
        let answer = look(call.as_mut(), &alarm).expect("an answer");
        assert_eq!(answer["Messages"].as_array().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_message_wakes_whoever_waits() {
        is_woken_by(&world(), &[&create]);
    }

    #[tokio::test]
    async fn the_clock_wakes_whoever_waits() {
        let world = world();
        world.lock().settings.event_delay_millis = 60_000;
        is_woken_by(
            &world,
            &[&create, &|world| advance(world, 59.0), &|world| {
                advance(world, 1.0);
            }],
        );
    }

    #[tokio::test]
    async fn what_is_there_is_not_waited_for() {
        let world = world();
        create(&world);
        is_woken_by(&world, &[]);
    }

    #[tokio::test]
    async fn what_comes_with_the_clock_is_looked_for_by_then() {
        let world = world();
        let mut inner = world.lock();
        inner.settings.event_delay_millis = 10_000;
        let go = Movement {
            hold: Some(false),
            ..Movement::default()
        };
        inner.turn_clock(go).unwrap();
        drop(inner);
        create(&world);
        let patience = world.lock().patience(&poll()).expect("a reason to wait");
        let next = patience.next.expect("something to come");
        assert_eq!(patience.seconds, 20);
        assert!(
            next > Duration::ZERO && next <= Duration::from_secs(10),
            "{next:?}"
        );
    }
}
