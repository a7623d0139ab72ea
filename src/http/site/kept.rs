//! What everybody sees alike, made once a second at the most, however many ask.

use std::time::{Duration, Instant};

use maud::Markup;
use tokio::sync::Mutex;

/// For so long it is good enough.
const FRESH: Duration = Duration::from_secs(1);

/// A piece of a page.
#[derive(Default)]
pub struct Kept(Mutex<Option<(Instant, Markup)>>);

impl Kept {
    /// The piece, made anew where it is older than a second. Those who ask meanwhile wait for it.
    pub async fn get<E>(&self, make: impl Future<Output = Result<Markup, E>>) -> Result<Markup, E> {
        let mut held = self.0.lock().await;
        if let Some((made, piece)) = &*held
            && made.elapsed() < FRESH
        {
            return Ok(piece.clone());
        }
        let piece = make.await?;
        *held = Some((Instant::now(), piece.clone()));
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn many_who_ask_have_it_made_once() {
        let (kept, made) = (Kept::default(), AtomicU32::new(0));
        let make = async || {
            tokio::task::yield_now().await;
            made.fetch_add(1, Ordering::Relaxed);
            Ok::<_, ()>(maud::html! { "x" })
        };
        let all = tokio::join!(kept.get(make()), kept.get(make()), kept.get(make()));
        for piece in [all.0, all.1, all.2] {
            assert_eq!(piece.unwrap().into_string(), "x");
        }
        assert_eq!(made.load(Ordering::Relaxed), 1);
        let failed = Kept::default();
        assert!(failed.get(async { Err(()) }).await.is_err());
        assert!(failed.get(make()).await.is_ok(), "a failure is not kept");
    }
}
