//! The interfaces over HTTP.

mod answer;
mod body;
mod docs;
mod guard;
mod libre;
mod openai;
mod operation;
mod own;
mod page;
mod settings;
mod stream;
mod tei;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{from_fn_with_state, map_response},
    response::Response,
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowHeaders, AllowOrigin, Any, CorsLayer},
    set_header::SetResponseHeaderLayer,
};

use crate::{ServeError, app::App};
use answer::Interface;

pub(crate) use own::pieces;

/// What a page of this server may load, and from where: nothing from elsewhere.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Reads a body as every place does; tells how many take it.
pub(crate) fn read_as_all(bytes: &[u8]) -> usize {
    let taken = [
        body::parse::<own::TranslateRequest>(bytes).is_ok(),
        body::parse::<own::CompleteRequest>(bytes).is_ok(),
        body::parse::<own::FillRequest>(bytes).is_ok(),
        body::parse::<own::ClassifyRequest>(bytes).is_ok(),
        body::parse::<own::EmbedRequest>(bytes).is_ok(),
        body::parse::<own::TokenizeRequest>(bytes).is_ok(),
        body::parse::<own::ScoreRequest>(bytes).is_ok(),
        body::parse::<own::HeadsRequest>(bytes).is_ok(),
        body::parse::<libre::TranslateRequest>(bytes).is_ok(),
        libre::of_form::<libre::TranslateRequest>(bytes).is_ok(),
        body::parse::<libre::DetectRequest>(bytes).is_ok(),
        libre::of_form::<libre::DetectRequest>(bytes).is_ok(),
        body::parse::<tei::EmbedRequest>(bytes).is_ok(),
        body::parse::<tei::PredictRequest>(bytes).is_ok(),
        body::parse::<tei::RerankRequest>(bytes).is_ok(),
        body::parse::<openai::CompletionRequest>(bytes).is_ok(),
        body::parse::<openai::ChatRequest>(bytes).is_ok(),
        body::parse::<openai::EmbeddingRequest>(bytes).is_ok(),
    ];
    taken.into_iter().filter(|&taken| taken).count()
}

/// All places, each with the errors of its interface.
pub(crate) fn router(app: &Arc<App>) -> Result<Router, ServeError> {
    let rendered = |interface: Interface, router: Router<Arc<App>>| {
        router.layer(map_response(move |response: Response| async move { interface.render(response) }))
    };
    // What answers a wrong method is added before the layer, which renders that too.
    let of = |interface: Interface, router: Router<Arc<App>>| {
        rendered(interface, router.method_not_allowed_fallback(answer::wrong_method))
    };
    let with_key = |router: Router<Arc<App>>| router.layer(from_fn_with_state(Arc::clone(app), guard::key));
    let openai = Router::new().nest("/v1", with_key(openai::router()));
    let router = Router::new()
        .merge(of(Interface::Libre, libre::router()))
        .merge(of(Interface::OpenAi, openai))
        .merge(of(Interface::Tei, with_key(tei::router())))
        .merge(of(Interface::Own, with_key(own::router().merge(operation::admin_router()))))
        // The page's place is TEI's too, and a place has one such answer.
        .merge(rendered(Interface::Own, operation::router().merge(docs::router()).merge(page::router())))
        .fallback(answer::nothing_there)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(map_response(|response: Response| async move { Interface::Own.render(response) }))
        .layer(DefaultBodyLimit::max(app.config.limits.body_bytes))
        .layer(CatchPanicLayer::custom(answer::panicked))
        .layer(from_fn_with_state(Arc::clone(app), guard::measure))
        .layer(header(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"));
    let router = match cors(&app.config.origins)? {
        Some(cors) => router.layer(cors),
        None => router,
    };
    Ok(router.with_state(Arc::clone(app)))
}

fn header(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// The pages of other origins whose scripts may ask.
fn cors(origins: &[String]) -> Result<Option<CorsLayer>, ServeError> {
    if origins.is_empty() {
        return Ok(None);
    }
    // Clients add headers of their own: that of OpenAI for browsers says what it runs on.
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([header::RETRY_AFTER]);
    if origins.iter().any(|origin| origin == "*") {
        return Ok(Some(layer.allow_origin(Any)));
    }
    let parse = |origin: &String| {
        let wrong = || ServeError::Origin { origin: origin.clone() };
        let host = origin.strip_prefix("https://").or(origin.strip_prefix("http://")).ok_or_else(wrong)?;
        // Browsers write hosts in small letters, and those of other scripts in Punycode.
        let is_other = |c: char| c.is_ascii_uppercase() || !c.is_ascii() || "/ ?#".contains(c);
        if host.is_empty() || host.contains(is_other) {
            return Err(wrong());
        }
        HeaderValue::from_str(origin).map_err(|_| wrong())
    };
    let origins = origins.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(layer.allow_origin(AllowOrigin::list(origins))))
}
