//! Questions of many requests, put to the database together: those that come while one is answered wait for the next.
//!
//! Each answer was read after its question was asked: it is as if each had asked for itself.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

type Answering<A> = Pin<Box<dyn Future<Output = Vec<A>> + Send>>;

/// One kind of question.
pub struct Batch<Q, A>(Arc<Inside<Q, A>>);

struct Inside<Q, A> {
    waiting: Mutex<Waiting<Q, A>>,
    answer: Box<dyn Fn(Vec<Q>) -> Answering<A> + Send + Sync>,
    most: usize,
}

struct Waiting<Q, A> {
    asked: Vec<(Q, oneshot::Sender<A>)>,
    /// Somebody answers.
    answering: bool,
}

impl<Q: Send + 'static, A: Send + 'static> Batch<Q, A> {
    /// `answer` takes questions, `most` at once, and has an answer to each, in their order.
    pub fn new<F: Future<Output = Vec<A>> + Send + 'static>(
        most: usize,
        answer: impl Fn(Vec<Q>) -> F + Send + Sync + 'static,
    ) -> Self {
        Batch(Arc::new(Inside {
            waiting: Mutex::new(Waiting {
                asked: Vec::new(),
                answering: false,
            }),
            answer: Box::new(move |questions| Box::pin(answer(questions))),
            most,
        }))
    }

    /// The answer; `None` where nobody answers any more.
    pub async fn ask(&self, question: Q) -> Option<A> {
        let (to, answer) = oneshot::channel();
        let begin = {
            let mut waiting = self.0.waiting();
            waiting.asked.push((question, to));
            !std::mem::replace(&mut waiting.answering, true)
        };
        if begin {
            tokio::spawn(run(self.0.clone()));
        }
        answer.await.ok()
    }
}

impl<Q, A> Inside<Q, A> {
    fn waiting(&self) -> MutexGuard<'_, Waiting<Q, A>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those who are next; nobody answers any more where there are none.
    fn next(&self) -> Vec<(Q, oneshot::Sender<A>)> {
        let mut waiting = self.waiting();
        // who has hung up is not answered in anybody's place
        waiting.asked.retain(|(_, to)| !to.is_closed());
        let many = waiting.asked.len().min(self.most);
        let next: Vec<_> = waiting.asked.drain(..many).collect();
        waiting.answering = !next.is_empty();
        next
    }
}

/// Should an answer fail in a way that nobody foresaw, those who wait are told that there is none, and the next asks anew.
struct Turn<Q, A>(Arc<Inside<Q, A>>);

impl<Q, A> Drop for Turn<Q, A> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut waiting = self.0.waiting();
            waiting.answering = false;
            waiting.asked.clear();
        }
    }
}

async fn run<Q, A>(inside: Arc<Inside<Q, A>>) {
    let _guard = Turn(inside.clone());
    loop {
        // whoever is about to ask asks first: each reading serves as many as it can
        tokio::task::yield_now().await;
        let next = inside.next();
        if next.is_empty() {
            return;
        }
        let (questions, asked): (Vec<_>, Vec<_>) = next.into_iter().unzip();
        let answers = (inside.answer)(questions).await;
        for (to, answer) in asked.into_iter().zip(answers) {
            // who asked may have left
            let _ = to.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        task::{Context, Waker},
    };

    use tokio::{sync::Semaphore, task::JoinSet};

    use super::*;

    #[tokio::test]
    async fn who_asks_while_another_is_answered_is_answered_by_a_later_reading() {
        let (gate, readings) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (opened, counted) = (gate.clone(), readings.clone());
        let batch = Arc::new(Batch::new(8, move |questions: Vec<usize>| {
            let (opened, reading) = (opened.clone(), counted.fetch_add(1, Ordering::SeqCst));
            async move {
                opened.acquire().await.unwrap().forget();
                questions.into_iter().map(|n| (n, reading)).collect()
            }
        }));
        let mut asking = JoinSet::new();
        let ask = |n| {
            let batch = batch.clone();
            async move { batch.ask(n).await.unwrap() }
        };
        asking.spawn(ask(0));
        while readings.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        for n in 1..20 {
            asking.spawn(ask(n));
        }
        while batch.0.waiting().asked.len() < 19 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(100);
        let mut answers = asking.join_all().await;
        answers.sort_unstable();
        assert_eq!(answers[0], (0, 0), "the first one alone");
        assert!(
            answers[1..]
                .iter()
                .all(|(_, reading)| (1..4).contains(reading)),
            "{answers:?}"
        );
        assert_eq!(readings.load(Ordering::SeqCst), 4, "19 in batches of 8");
        assert_eq!(
            batch.ask(7).await,
            Some((7, 4)),
            "and from then on as before"
        );
    }

    #[tokio::test]
    async fn who_has_hung_up_takes_nobodys_place() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = asked.clone();
        let batch = Batch::new(1, move |questions: Vec<usize>| {
            noted.lock().unwrap().extend(questions.clone());
            async move { questions }
        });
        // asked, and given up before anybody answers
        let mut gone = Box::pin(batch.ask(13));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(gone.as_mut().poll(&mut cx).is_pending());
        drop(gone);
        assert_eq!(batch.ask(7).await, Some(7));
        assert_eq!(*asked.lock().unwrap(), [7]);
    }

    #[tokio::test]
    async fn an_answer_that_fails_leaves_nobody_waiting() {
        let batch = Arc::new(Batch::new(8, |questions: Vec<usize>| async move {
            assert!(!questions.contains(&13), "as if by a fault in it");
            questions
        }));
        assert_eq!(batch.ask(13).await, None);
        assert_eq!(batch.ask(7).await, Some(7), "the next is answered");
    }
}
