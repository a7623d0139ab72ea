//! What an owner does with a webhook in its page: tested, sent again, rotated, enabled, disabled, deleted; by the desk, as over REST.

use axum::{body::Body, http::StatusCode, response::Response};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::{
    act::{self, MOST_BYTES},
    hook::{outcome, show},
    hooks::secret_once,
    problem::{PageResult, Problem},
    session::Form,
    visit::{self, Session, Visit},
};
use crate::{
    gate::{endpoint::EndpointBody, path_id::WebhookId, resend::Resend},
    http::{
        call::WebhookPath,
        error::{ApiError, ApiResult},
    },
};

/// Whatever failed, whenever that was.
const EVER: &str = "2000-01-01T00:00:00Z";

type Named = ApiResult<WebhookPath>;

/// Who does something with which webhook.
async fn owner(visit: &Visit, id: Named) -> Result<(&Session, String), Problem> {
    visit::check_origin(&visit.headers)?;
    let session = act::enters(visit, |plan| plan.webhooks).await?;
    let WebhookPath(WebhookId(id)) = id?;
    Ok((session, id))
}

fn account(session: &Session) -> Option<&str> {
    Some(&session.known.holder.account.id)
}

fn said(what: &str) -> Markup {
    html! { p.card.fresh data-says { (what) } }
}

/// `POST …/test`
pub async fn test(visit: Visit, id: Named) -> Response {
    let done = async {
        let (session, id) = owner(&visit, id).await?;
        let tested = visit.site.state.desk.test(account(session), &id).await?;
        let notice = html! {
            div.card.fresh {
                p data-says { "The test came to: " (outcome(&tested)) ", after " (format!("{:.0}\u{202f}ms", tested.latency_ms)) "." }
                @if let Some(answer) = &tested.answer { pre { (answer) } }
            }
        };
        show(&visit, session, &id, &notice).await
    };
    act::answer(&visit, done.await).await
}

/// `POST …/rotate`
pub async fn rotate(visit: Visit, id: Named) -> Response {
    let done = async {
        let (session, id) = owner(&visit, id).await?;
        let rotated = visit.site.state.desk.rotate(account(session), &id).await?;
        show(&visit, session, &id, &secret_once(&rotated.secret)).await
    };
    act::answer(&visit, done.await).await
}

async fn change(visit: &Visit, id: Named, body: &Value, notice: &str) -> PageResult {
    let (session, id) = owner(visit, id).await?;
    let body = EndpointBody::of_change(body.to_string().as_bytes())?;
    let desk = &visit.site.state.desk;
    desk.change(account(session), &id, body).await?;
    show(visit, session, &id, &said(notice)).await
}

/// `POST …/enable`
pub async fn enable(visit: Visit, id: Named) -> Response {
    let body = json!({"enabled": true});
    let done = change(&visit, id, &body, "It goes on where it stood.").await;
    act::answer(&visit, done).await
}

/// `POST …/skip`
pub async fn skip(visit: Visit, id: Named) -> Response {
    let body = json!({"enabled": true, "skip_missed": true});
    let done = change(&visit, id, &body, "It goes on with the next signal.").await;
    act::answer(&visit, done).await
}

/// `POST …/disable`
pub async fn disable(visit: Visit, id: Named) -> Response {
    let body = json!({"enabled": false});
    let done = change(&visit, id, &body, "It is not sent to any more.").await;
    act::answer(&visit, done).await
}

async fn send_again(visit: &Visit, id: Named, what: Value) -> PageResult {
    let (session, id) = owner(visit, id).await?;
    let what = Resend::parse(what.to_string().as_bytes())?;
    let desk = &visit.site.state.desk;
    let resent = desk.resend(account(session), &id, &what).await?;
    let notice = match resent.signal_id {
        Some(signal) => format!("Signal {signal} is sent again."),
        None => format!(
            "What is behind {}, up to {}, is sent again.",
            resent.after, resent.until
        ),
    };
    show(visit, session, &id, &said(&notice)).await
}

/// `POST …/resend`
pub async fn resend(visit: Visit, id: Named, body: Body) -> Response {
    let done = async {
        let form = Form::of(body, MOST_BYTES).await?;
        let said = ["signal_id", "after", "before"]
            .into_iter()
            .filter(|name| !form.get(name).is_empty())
            .map(|name| (name.to_owned(), json!(form.get(name))));
        let what: Map<String, Value> = said.collect();
        if what.is_empty() {
            let message = "Say which: a signal by its id, or all after one.";
            let nothing = ApiError::new(StatusCode::BAD_REQUEST, "invalid_parameter", message);
            return Err(nothing.into());
        }
        send_again(&visit, id, Value::Object(what)).await
    };
    act::answer(&visit, done.await).await
}

/// `POST …/resend-failed`
pub async fn resend_failed(visit: Visit, id: Named) -> Response {
    let done = send_again(&visit, id, json!({"failed_since": EVER})).await;
    act::answer(&visit, done).await
}

/// `POST …/delete`
pub async fn delete(visit: Visit, id: Named) -> Response {
    let done = async {
        let (session, id) = owner(&visit, id).await?;
        let desk = &visit.site.state.desk;
        desk.delete(account(session), &id).await?;
        Ok(act::go(&visit, "/account/webhooks"))
    };
    act::answer(&visit, done.await).await
}
